// Filters rows by text, family and target, and folds families; without a script all rows are there.
const bodies = [...document.querySelectorAll("tbody")].filter(body => body.rows.length);
const signs = { "●": "good", "○": "good", "✗": "bad", "⊘": "bad" };
const field = (text, node) => {
  const label = document.createElement("label");
  label.append(text, node);
  return label;
};
const choice = values => {
  const select = document.createElement("select");
  for (const value of ["all", ...new Set(values)]) select.add(new Option(value));
  return select;
};
const losses = bodies.flatMap(body => [...body.rows].slice(1));
const text = document.createElement("input");
text.type = "search";
const family = choice(bodies.map(body => body.rows[0].textContent.trim()));
const target = choice(losses.map(row => row.cells[1].textContent));
const count = document.createElement("output");
const folding = document.createElement("button");
folding.type = "button";
const show = () => {
  const words = text.value.toLowerCase().split(/\s+/);
  const open = bodies.some(body => body.querySelector("button").ariaExpanded === "true");
  folding.textContent = open ? "Fold all families" : "Unfold all families";
  let n = 0;
  for (const body of bodies) {
    const [head, ...rows] = body.rows;
    const button = head.querySelector("button");
    let fitting = 0;
    for (const row of rows) {
      const says = `${row.cells[0].textContent} ${row.querySelector("a").title} ${button.textContent}`.toLowerCase();
      const fits = words.every(word => says.includes(word))
        && [button.textContent, "all"].includes(family.value)
        && [row.cells[1].textContent, "all"].includes(target.value);
      fitting += fits;
      row.hidden = !fits || button.ariaExpanded === "false";
    }
    body.hidden = fitting === 0;
    n += fitting;
  }
  count.textContent = `${n} of ${losses.length} losses`;
};
for (const body of bodies) {
  const cell = body.rows[0].cells[0];
  const button = document.createElement("button");
  button.textContent = cell.textContent.trim();
  button.ariaExpanded = "true";
  button.onclick = () => {
    button.ariaExpanded = String(button.ariaExpanded === "false");
    show();
  };
  cell.replaceChildren(button);
}
folding.onclick = () => {
  const folded = String(folding.textContent.startsWith("Unfold"));
  for (const body of bodies) body.querySelector("button").ariaExpanded = folded;
  show();
};
for (const cell of document.querySelectorAll("td")) cell.className = signs[cell.textContent[0]] ?? "open";
const form = document.createElement("form");
form.className = "filter";
form.role = "search";
form.append(field("Loss", text), field("Family", family), field("y", target), folding, count);
form.oninput = show;
form.onsubmit = event => event.preventDefault();
document.querySelector("details").before(form);
show();
