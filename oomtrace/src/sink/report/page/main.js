// Begins it all: the theme, the list of episodes, and each table when it comes into sight.

const root = document.documentElement;
const tables = new Map();

/** The table of an episode, made when it is first wanted. */
const table = (place) => {
  if (!tables.has(place)) tables.set(place, new Candidates(place));
  return tables.get(place);
};

/** The list of episodes: few rows, sorted where they are. */
const sortable = (list) => {
  const heads = [...list.tHead.rows[0].cells];
  const key = (row, at) => row.cells[at].dataset.by ?? row.cells[at].textContent;
  heads.forEach((head, at) => {
    const button = element("button", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", other === head ? order : "none"));
      const numbers = list.tBodies[0].rows[0].cells[at].dataset.by !== undefined;
      const compare = (a, b) => (numbers ? a - b : a < b ? -1 : a > b ? 1 : 0);
      const rows = [...list.tBodies[0].rows].map((row) => [key(row, at), row]);
      rows.sort(([a], [b]) => {
        if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
        return order === "ascending" ? compare(a, b) : compare(b, a);
      });
      list.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
};

/** Light, dark, or as the system has it. */
const theme = (button) => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => {
    button.textContent = dark() ? "Light theme" : "Dark theme";
  };
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);
  button.hidden = false;
  tell();
};

/** `#kxqvtbnd?sort=anon&order=ascending&find=java`: an episode, and how its table is to be seen. */
const follow = () => {
  const [id, query] = location.hash.slice(1).split("?");
  const place = (id && document.querySelector(`.candidates[data-of="${CSS.escape(id)}"]`)) || document.querySelector(".candidates");
  if (!place) return;
  const made = table(place);
  const wanted = new URLSearchParams(query || "");
  const column = made.columns.find(({ name, kind }) => kind !== "bars" && name === wanted.get("sort"));
  const order = ["ascending", "descending"].find((word) => word === wanted.get("order"));
  if (column) made.turn(column, order);
  if (wanted.has("find")) {
    made.input.value = wanted.get("find");
    made.find();
  }
  // With a query it is no name of an element, and the browser does not go there.
  if (query !== undefined && id) document.getElementById(id)?.scrollIntoView();
};

document.querySelectorAll(".plain").forEach((each) => { each.hidden = true; });
document.querySelectorAll("table.sortable").forEach(sortable);
theme(document.getElementById("theme"));
follow();
addEventListener("hashchange", follow);
const near = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    table(target.querySelector(".candidates"));
  }
}, { rootMargin: "1000px" });
// Until its table is made a place has no size: what is around it has.
document.querySelectorAll(".candidates").forEach((place) => near.observe(place.parentElement));
// Milliseconds since the page was asked for.
root.dataset.ready = Math.round(performance.now());
