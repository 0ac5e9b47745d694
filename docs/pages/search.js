// Searches the guides and the codes, in what /docs/search.json lists. Without JavaScript
// the field stays hidden and the pages are complete.
const box = document.querySelector("#search-box");
const field = document.querySelector("#search");
const found = document.querySelector("#found");
const count = document.querySelector("#found-count");
const shown = 12;
let entries;

const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

// A word in a heading counts more than one in the text; an entry has to have all of them.
function score(entry, words) {
  let sum = 0;
  for (const word of words) {
    const title = entry.title.toLowerCase();
    if (title.includes(word)) sum += title === word ? 100 : 10;
    else if (entry.guide.toLowerCase().includes(word)) sum += 3;
    else if (entry.text.toLowerCase().includes(word)) sum += 1;
    else return 0;
  }
  return sum;
}

function row(entry) {
  const link = document.createElement("a");
  link.href = entry.path;
  link.textContent = entry.title === entry.guide ? entry.guide : `${entry.guide}: ${entry.title}`;
  const item = document.createElement("li");
  item.append(link);
  return item;
}

async function search() {
  entries ??= fetch("/docs/search.json").then((answer) => answer.json());
  const all = await entries.catch(() => {
    entries = undefined; // the next letter tries again
    return [];
  });
  const words = wordsOf(field.value);
  const hits = words.length === 0 ? [] : all.map((entry) => [score(entry, words), entry]).filter(([points]) => points > 0);
  hits.sort(([a], [b]) => b - a);
  found.replaceChildren(...hits.slice(0, shown).map(([, entry]) => row(entry)));
  count.textContent = words.length === 0 ? "" : hits.length === 0 ? "Nothing found." : `${hits.length} found`;
}

// The arrows go from the field through the links, Enter follows the first, Escape clears.
function move(event) {
  const stops = [field, ...found.querySelectorAll("a")];
  const at = stops.indexOf(document.activeElement);
  if (event.key === "Escape") {
    field.value = "";
    field.focus();
    search();
  } else if (event.key === "Enter" && at === 0 && stops.length > 1) {
    stops[1].click();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    stops[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    event.preventDefault();
  }
}

box.hidden = false;
box.addEventListener("keydown", move);
field.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target === field || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  field.focus();
});
