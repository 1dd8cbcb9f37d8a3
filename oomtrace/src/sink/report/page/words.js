// Numbers as text, as the program writes them.

/** `411.2M`; zero is `0`. Halves are rounded to the even digit. */
const size = (bytes) => {
  const all = Math.abs(bytes);
  const sign = bytes < 0 ? "-" : "";
  if (all < 1024) return all === 0 ? "0" : `${sign}${all}B`;
  let at = 0, one = 1024;
  while (all / one >= 1024 && at < 5) { one *= 1024; at += 1; }
  const tenths = all * 10 / one;
  let whole = Math.floor(tenths);
  if (tenths - whole > 0.5 || (tenths - whole === 0.5 && whole % 2 === 1)) whole += 1;
  return `${sign}${Math.floor(whole / 10)}.${whole % 10}${"KMGTPE"[at]}`;
};

/** `97,767` */
const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** An element with a text. */
const element = (name, text) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
};
