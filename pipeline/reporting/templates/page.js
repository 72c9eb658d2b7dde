"use strict";
// Opens what a link leads to, and all that is printed; sorts and filters tables. The page can be read without it.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", reveal);
addEventListener("click", event => {
  const link = event.target.closest("a[href^='#']");
  if (link && link.hash === location.hash) reveal();
});
reveal();

const opened = [];
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details:not(.screen):not([open])")) {
    each.open = true;
    opened.push(each);
  }
});
addEventListener("afterprint", () => opened.splice(0).forEach(each => { each.open = false; }));

const valueOf = text => {
  const number = parseFloat(text.replaceAll("−", "-"));
  return Number.isNaN(number) ? text : number;
};
const compare = (a, b) => {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return typeof a === "number" ? a - b : a.localeCompare(b);
};
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const sort = head => {
    const down = head.getAttribute("aria-sort") === "ascending", place = heads.indexOf(head);
    heads.forEach(each => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = [...body.rows].map(row => [valueOf(row.cells[place].innerText.replace(" ★", "").trim()), row]);
    keyed.sort(([a], [b]) => a === "" || b === "" ? compare(a, b) : down ? compare(b, a) : compare(a, b));
    body.append(...keyed.map(([, row]) => row));
  };
  for (const head of heads) {
    head.tabIndex = 0;
    head.addEventListener("click", () => sort(head));
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(head); });
  }
}
for (const form of document.querySelectorAll("form.filter")) {
  const rows = [...document.getElementById(form.dataset.for).tBodies[0].rows];
  const { words, among } = form.elements;
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const here = !among || !among.value || row.cells[1].textContent === among.value;
      row.hidden = !(here && wanted.every(word => text.includes(word)));
    }
    form.querySelector("output").value = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
}
