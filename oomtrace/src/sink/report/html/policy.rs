//! What the browser may do with the page: apply its style, run its script, and nothing else. Should a name from a recording ever
//! become markup, no script in it would run, and nothing could be loaded or sent.

/// SHA-256 of the style, as a policy has it. A test tells what it has to be.
const STYLE: &str = "azUKQc6/07UkgZ6Gktwx7BPMWUflDKLpM9sYznU1I8Y=";
/// SHA-256 of the script.
const SCRIPT: &str = "xYHF79xh+fw77UA/odG/VpdqL4JyPCqLHfBvFTBPrcU=";

pub(super) fn policy() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{STYLE}'; script-src 'sha256-{SCRIPT}'; base-uri 'none'; form-action 'none'"
    )
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - three.len()));
            for at in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
                text.push(if at > three.len() { '=' } else { digit.into() });
            }
        }
        text
    }

    #[test]
    fn the_policy_allows_what_the_page_has() {
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"abcd"), "YWJjZA==");
        let digest = |text: &str| base64(&Sha256::digest(text.as_bytes()));
        let found = [digest(super::super::STYLE), digest(super::super::SCRIPT)];
        assert_eq!(found, [super::STYLE, super::SCRIPT], "style and script, to be put into policy.rs");
    }
}
