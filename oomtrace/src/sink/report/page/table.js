// The table of all candidates. Of thousands of rows only those that can be seen are in the document: two empty rows stand for the
// others. All rows are of one height.

const ROW = 33;
const AROUND = 12;
const SVG = "http://www.w3.org/2000/svg";
const PARTS = ["anon", "file", "shmem", "rss", "swap", "pgtab", "rest"];

class Candidates {
  constructor(place) {
    this.place = place;
    this.data = JSON.parse(document.getElementById(`${place.dataset.of}-data`).textContent);
    this.box = place.querySelector(".rows");
    this.table = place.querySelector("table");
    this.body = this.table.tBodies[0];
    this.status = place.querySelector("[role=status]");
    this.input = place.querySelector("input");
    this.columns = [...this.table.tHead.rows[0].cells].map((cell) => ({
      name: cell.dataset.column, kind: cell.dataset.kind, cell,
    }));
    this.sort = null;
    this.scale = this.ends();
    this.rows = this.all();
    for (const column of this.columns) {
      const button = column.cell.querySelector("button");
      if (button) button.addEventListener("click", () => this.turn(column));
      if (button) column.cell.setAttribute("aria-sort", "none");
    }
    this.input.addEventListener("input", () => this.find());
    let waits = false;
    this.box.addEventListener("scroll", () => {
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => { waits = false; this.draw(); });
    }, { passive: true });
    place.hidden = false;
    this.tell();
    this.draw();
  }

  all() {
    return Array.from(this.data.pid, (_, at) => at);
  }

  /** What a column has for a row, as it is compared: unknown and nothing are null. */
  value(column, at) {
    const value = this.data[column.name][at];
    if (column.kind === "text") return this.data.texts[value];
    return typeof value === "number" ? value : null;
  }

  /** The same as it is shown. */
  text(column, at) {
    const value = this.data[column.name][at];
    if (column.kind === "text") return this.data.texts[value];
    if (value === null) return "?";
    if (typeof value !== "number") return value;
    if (column.kind === "plain") return String(value);
    if (column.kind === "number") return grouped(value);
    return (column.kind === "about" && this.data.about[at] ? "~" : "") + size(value);
  }

  /** Sorts by a column, or turns its order round; numbers begin with the largest. */
  turn(column, order) {
    const first = column.kind === "text" ? "ascending" : "descending";
    const other = first === "ascending" ? "descending" : "ascending";
    const now = this.sort && this.sort.column === column ? this.sort.order : null;
    this.sort = { column, order: order || (now === first ? other : first) };
    for (const each of this.columns) {
      if (each.kind !== "bars") each.cell.setAttribute("aria-sort", each === column ? this.sort.order : "none");
    }
    this.arrange();
    this.box.scrollTop = 0;
    this.draw();
    this.tell();
  }

  /** What is not known comes last, whichever way round; equals stay in the order of the ranking. */
  arrange() {
    if (!this.sort) return;
    const { column, order } = this.sort;
    const sign = order === "ascending" ? 1 : -1;
    const keys = this.all().map((at) => this.value(column, at));
    this.rows.sort((a, b) => {
      const [x, y] = [keys[a], keys[b]];
      if (x === y) return a - b;
      if (x === null || y === null) return x === null ? 1 : -1;
      return (x < y ? -1 : 1) * sign;
    });
  }

  find() {
    const wanted = this.input.value.trim().toLowerCase();
    const fits = this.data.texts.map((text) => text.toLowerCase().includes(wanted));
    const { process, mark, cgroup } = this.data;
    this.rows = this.all().filter((at) => fits[process[at]] || fits[mark[at]] || fits[cgroup[at]]);
    this.arrange();
    this.box.scrollTop = 0;
    this.draw();
    this.tell();
  }

  tell() {
    const all = this.data.pid.length;
    const rows = this.rows.length === all ? `${grouped(all)} rows` : `${grouped(this.rows.length)} of ${grouped(all)} rows`;
    const sort = this.sort;
    const by = sort ? `, by ${sort.column.cell.textContent}, ${sort.order}` : ", ranked as the kernel did";
    this.status.textContent = rows + by;
    this.table.setAttribute("aria-rowcount", this.rows.length + 1);
  }

  /** Puts the rows that can be seen, and some around them, into the document. */
  draw() {
    const from = Math.max(0, Math.floor(this.box.scrollTop / ROW) - AROUND);
    const to = Math.min(this.rows.length, from + Math.ceil((this.box.clientHeight || 544) / ROW) + 2 * AROUND);
    const made = document.createDocumentFragment();
    made.append(this.space(from));
    for (let at = from; at < to; at += 1) made.append(this.row(this.rows[at], at));
    made.append(this.space(this.rows.length - to));
    this.body.replaceChildren(made);
  }

  space(rows) {
    const row = element("tr");
    const cell = element("td");
    row.className = "space";
    row.setAttribute("aria-hidden", "true");
    cell.colSpan = this.columns.length;
    cell.style.height = `${rows * ROW}px`;
    row.append(cell);
    return row;
  }

  row(at, position) {
    const row = element("tr");
    row.setAttribute("aria-rowindex", position + 2);
    if (this.data.victim[at]) row.className = "victim";
    for (const column of this.columns) {
      const cell = element(column.name === "process" ? "th" : "td");
      if (column.name === "process") cell.scope = "row";
      if (column.kind === "bars") {
        cell.append(this.bar(at));
      } else {
        const text = this.text(column, at);
        cell.textContent = text;
        if (column.kind === "text") cell.title = text;
        else cell.className = "number";
      }
      row.append(cell);
    }
    return row;
  }

  parts(at) {
    const data = this.data;
    const known = PARTS.map((name) => [name, data[name][at]]).filter(([, bytes]) => typeof bytes === "number");
    return [...known, ["adj", data.adj_bytes[at]]].filter(([, bytes]) => bytes !== 0);
  }

  ends() {
    let left = 0, right = 0;
    for (const at of this.all()) {
      let low = 0, high = 0;
      for (const [, bytes] of this.parts(at)) if (bytes < 0) low += bytes; else high += bytes;
      left = Math.min(left, low);
      right = Math.max(right, high);
    }
    return { left, right };
  }

  bar(at) {
    const { left, right } = this.scale;
    const percent = (bytes) => `${right > left ? ((bytes - left) * 100 / (right - left)).toFixed(2) : 0}%`;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "bar");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("width", "100%");
    svg.setAttribute("height", "14");
    let low = 0, high = 0;
    for (const [name, bytes] of this.parts(at)) {
      const from = bytes < 0 ? low + bytes : high;
      if (bytes < 0) low = from; else high += bytes;
      const rect = document.createElementNS(SVG, "rect");
      const title = document.createElementNS(SVG, "title");
      title.textContent = `${name}: ${size(bytes)}`;
      rect.setAttribute("class", `p-${name}`);
      rect.setAttribute("x", percent(from));
      rect.setAttribute("y", "1");
      rect.setAttribute("height", "12");
      rect.setAttribute("width", percent(left + Math.abs(bytes)));
      rect.append(title);
      svg.append(rect);
    }
    return svg;
  }
}
