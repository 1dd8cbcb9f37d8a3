//! `--otlp`: the receiver's address, what the environment says of it, and what this program says where it was built without it. Sending
//! is [`crate::deliver`]'s.

#[cfg(feature = "otlp")]
pub(super) use with::{Receiver, open};
#[cfg(not(feature = "otlp"))]
pub(super) use without::{Receiver, open};

#[cfg(feature = "otlp")]
mod with {
    use std::env;
    use std::net::ToSocketAddrs as _;
    use std::sync::Arc;
    use std::time::Duration;

    use crate::cli::args::OutletArgs;
    use crate::cli::say;
    use crate::deliver::WhenFull;
    use crate::deliver::otlp::settings::Settings;
    use crate::deliver::otlp::{Otlp, OtlpSink, ROOM};
    use crate::exit::Usage;
    use crate::sink::Sink;

    /// A receiver, whether it is there or not.
    pub(in crate::cli) struct Receiver {
        otlp: Otlp,
        sink: Option<OtlpSink>,
    }

    /// Begins to send, if that was asked for.
    ///
    /// # Errors
    ///
    /// The machine has no address, or a variable means nothing (wrong usage); no thread.
    pub(in crate::cli) fn open(args: &OutletArgs, when_full: WhenFull) -> anyhow::Result<Option<Receiver>> {
        let Some(endpoint) = &args.otlp else { return Ok(None) };
        let settings =
            Settings::read(|name| env::var(name).ok()).map_err(|error| Usage(format!("--otlp: {error}")))?;
        // Only to know now: each connection asks again.
        let found = (endpoint.host.as_str(), endpoint.port).to_socket_addrs();
        found.map_err(|error| Usage(format!("--otlp: {} has no address: {error}", endpoint.host)))?;
        let say = Arc::new(|message: String| say(&message));
        let (otlp, sink) = Otlp::start(endpoint, settings, (ROOM, when_full), args.otlp_patience, say)?;
        Ok(Some(Receiver { otlp, sink: Some(sink) }))
    }

    impl Receiver {
        /// The sink before it. To be called once.
        pub(in crate::cli) fn sink(&mut self) -> Option<Box<dyn Sink + Send>> {
            self.sink.take().map(|sink| -> Box<dyn Sink + Send> { Box::new(sink) })
        }

        /// Nothing comes any more.
        pub(in crate::cli) fn close(&self, most: Duration) {
            self.otlp.close(most);
        }

        /// Waits for the end of it; true when nothing was lost.
        pub(in crate::cli) fn finish(&self) -> bool {
            self.otlp.finish()
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod without {
    use std::time::Duration;

    use crate::cli::args::OutletArgs;
    use crate::deliver::WhenFull;
    use crate::exit::NotAllowed;
    use crate::sink::Sink;

    /// There is none.
    pub(in crate::cli) enum Receiver {}

    /// Says that there is none, if one was asked for.
    pub(in crate::cli) fn open(args: &OutletArgs, _: WhenFull) -> anyhow::Result<Option<Receiver>> {
        match args.otlp {
            None => Ok(None),
            Some(_) => {
                let why = "--otlp: this oomtrace was built without it; build it with `--features otlp`";
                Err(NotAllowed(why.to_owned()).into())
            }
        }
    }

    impl Receiver {
        pub(in crate::cli) fn sink(&mut self) -> Option<Box<dyn Sink + Send>> {
            match *self {}
        }

        pub(in crate::cli) fn close(&self, _: Duration) {
            match *self {}
        }

        pub(in crate::cli) fn finish(&self) -> bool {
            match *self {}
        }
    }
}
