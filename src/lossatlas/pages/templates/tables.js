// Tables sort, filter and are copied; without a script they are complete and sorted as printed.
const textOf = cell => cell.textContent.trim();
const numberIn = text => parseFloat(text.replaceAll("−", "-").replace(/(\d),(?=\d{3}\b)/g, "$1").replace(/^[[<]\s*/, ""));
const ordered = (a, b) => {
  const [x, y] = [numberIn(a), numberIn(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || (Number.isNaN(x) ? a.localeCompare(b) : 0);
  return x - y;
};
const make = (name, properties) => Object.assign(document.createElement(name), properties);

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" });
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const up = head.getAttribute("aria-sort") === "descending";
      heads.forEach(th => th.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = new Map([...body.rows].map(row => [row, textOf(row.cells[column])]));
      const last = row => /^–?$/.test(key.get(row)); // what is not there stays below
      body.append(...[...body.rows].sort((a, b) => last(a) - last(b) || (up ? 1 : -1) * ordered(key.get(a), key.get(b))));
    };
  });
  // It comes sorted by a number: say by which.
  const rows = [...body.rows].slice(0, 50), column = c => rows.map(row => textOf(row.cells[c]));
  const inOrder = (texts, sign) => texts.every((text, i) => !i || sign * ordered(texts[i - 1], text) >= 0);
  for (const [c, head] of heads.entries()) {
    const texts = column(c);
    if (!c || new Set(texts).size < 3 || texts.some(text => Number.isNaN(numberIn(text)))) continue;
    const way = inOrder(texts, 1) ? "descending" : inOrder(texts, -1) ? "ascending" : "";
    if (way) { head.setAttribute("aria-sort", way); break; }
  }
}

const plain = text => text.replace(/^[▲▼△▽=≈]\s/, "").replaceAll("−", "-");
const latexed = text => plain(text).replace(/[\\{}&%$#_~^]/g, c => ({ "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" })[c] ?? "\\" + c)
  .replace(/-(?=\d)/g, "$-$").replaceAll("±", "$\\pm$").replaceAll("†", "$\\dagger$").replaceAll("<", "$<$").replaceAll("–", "--");
const FORMATS = {
  LaTeX(lines, numeric) {
    const rows = lines.map(line => line.map(latexed).join(" & ") + " \\\\");
    return ["% \\usepackage{booktabs}", `\\begin{tabular}{${numeric.map(is => is ? "r" : "l").join("")}}`, "\\toprule", rows[0], "\\midrule", ...rows.slice(1), "\\bottomrule", "\\end{tabular}", ""].join("\n");
  },
  CSV(lines) {
    // what a spreadsheet takes for a formula begins with a quote
    const cell = text => /^\s*[=+\-@＝＋－＠]/.test(text) && !/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? "'" + text : text;
    return lines.map(line => line.map(text => `"${cell(plain(text)).replaceAll('"', '""')}"`).join(",") + "\n").join("");
  },
};

async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* an older browser, or not allowed */ }
  const area = make("textarea", { value: text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

function tools(table) {
  const heads = [...table.tHead.rows[0].cells].map(textOf), rows = [...table.tBodies[0].rows];
  const name = textOf(table.caption), bar = make("div", { className: "tools" });
  const status = make("span"), filter = make("input", { type: "search", placeholder: "filter rows" });
  status.setAttribute("role", "status");
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", `Tools for the table: ${name}`);
  filter.setAttribute("aria-label", `Filter the rows by text: ${name}`);
  const family = heads.indexOf("family"), select = make("select");
  select.setAttribute("aria-label", `Filter the rows by family: ${name}`);
  const families = family < 0 ? [] : [...new Set(rows.map(row => textOf(row.cells[family])))].sort();
  select.append(make("option", { value: "", textContent: "all families" }), ...families.map(text => make("option", { value: text, textContent: text })));
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    rows.forEach(row => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word)) || (select.value !== "" && textOf(row.cells[family]) !== select.value);
    });
    const left = rows.filter(row => !row.hidden).length;
    status.textContent = left < rows.length ? `${left} of ${rows.length} rows` : "";
  };
  filter.oninput = select.onchange = show;
  if (rows.length > 4) bar.append(filter);
  if (families.length > 1) bar.append(select);
  for (const [format, write] of Object.entries(FORMATS)) {
    const button = make("button", { type: "button", textContent: `Copy ${format}` });
    button.setAttribute("aria-label", `Copy ${format}: ${name}`);
    button.onclick = async () => {
      const shown = [...table.tBodies[0].rows].filter(row => !row.hidden);
      const lines = shown.map(row => [...row.cells].map(textOf));
      const numeric = heads.map((_, c) => c > 0 && lines.some(line => !Number.isNaN(numberIn(line[c]))));
      const done = await copy(write([heads, ...lines], numeric));
      status.textContent = done ? `${lines.length} rows copied as ${format}` : "The browser did not allow copying";
    };
    bar.append(button);
  }
  bar.append(status);
  table.parentElement.before(bar);
}

for (const table of document.querySelectorAll("table")) {
  tools(table); // before the headings become buttons
  sortable(table);
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(one => { one.open = true; }));
