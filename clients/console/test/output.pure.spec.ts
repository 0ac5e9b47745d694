// Tests how the output of a device is prepared, without a browser.
import { expect, test } from "@playwright/test";
import { plainStyle, uncolour } from "../src/ansi.js";
import { chunksOf, cutPieces, hitsOf, maxHits } from "../src/outputText.js";

const esc = "\u001b";
/** The pieces of an output, as "text/colour", with "!" for what is deceptive and "*" for bold. */
const piecesOf = (text: string) =>
  chunksOf(text).flatMap(({ pieces }) =>
    pieces.map(
      ({ text, warning, style }) => `${text}/${style.color}${style.bold ? "*" : ""}${warning === undefined ? "" : "!"}`,
    ),
  );

test("colours and weight are taken from the sequences that set them", () => {
  const looks: [string, string[]][] = [
    [`a${esc}[31mb${esc}[0mc`, ["a/0", "b/1", "c/0"]],
    [`${esc}[1;32mb${esc}[22mc${esc}[39md`, ["b/2*", "c/2", "d/0"]],
    [`${esc}[91ma${esc}[mb`, ["a/1", "b/0"]],
    [`${esc}[38;5;4ma${esc}[38;2;1;2;3mb`, ["a/4", "b/0"]],
    [`${esc}[38;5;33;1ma`, ["a/0*"]],
    [`${esc}[38:5:2ma`, ["a/2"]],
    [`${esc}[48;5;1ma${esc}[41mb${esc}[7;8mc`, ["a/0", "b/0", "c/0"]], // nothing can hide a text
    [`${esc}[30ma${esc}[97mb${esc}[37mc${esc}[90md`, ["a/0", "b/0", "c/7", "d/7"]],
  ];
  for (const [text, pieces] of looks) expect(piecesOf(text), JSON.stringify(text)).toEqual(pieces);
});

test("all other sequences are shown as text", () => {
  for (const sequence of [
    "[2J",
    "[1;1H",
    "]0;title\u0007",
    "]8;;http://a\u001b\\",
    "c",
    "[?25l",
    "[31",
    "[3 1m",
    `[${"1;".repeat(40)}m`,
  ]) {
    const shown = chunksOf(`a${esc}${sequence}b`)[0]?.shown;
    expect(shown, sequence).toBe(`a\\u001b${sequence.replace("\u0007", "\\u0007").replace(esc, "\\u001b")}b`);
  }
  expect(uncolour(`${esc}[31`, plainStyle)).toEqual({ text: `${esc}[31`, changes: [], end: plainStyle });
});

test("colours within a word do not hide what is deceptive about it", () => {
  expect(piecesOf(`p${esc}[31m\u0430ypal`)).toEqual(["p/0!", "\u0430ypal/1!"]);
  expect(piecesOf(`a\u202e\u202e${esc}[32m\u202eb`)).toEqual(["a/0", "\\u202e\\u202e/0!", "\\u202e/2!", "b/2"]);
});

test("output that grows keeps its chunks, and loses nothing", () => {
  const lines = Array.from({ length: 250 }, (_, i) => `${i === 50 ? `${esc}[33m` : ""}line ${i}\n`);
  const before = chunksOf(lines.join(""));
  expect(before.map((chunk) => chunk.lines)).toEqual([100, 100, 50]);
  expect(before[2]?.begin.color).toBe(3);
  const after = chunksOf(`${lines.join("")}the end`, before);
  expect(after[0]).toBe(before[0]);
  expect(after[1]).toBe(before[1]);
  expect(after.map(({ source }) => source).join("")).toBe(`${lines.join("")}the end`);
  const coloured = chunksOf(`${esc}[31m${lines.join("")}`, before);
  expect(coloured[1]).toBe(before[1]); // the colour was changed before it
  expect(coloured[0]).not.toBe(before[0]);
  expect(chunksOf("")).toEqual([]);
});

test("a text is found across colours, in small and capital letters, and literally", () => {
  const chunks = chunksOf(`An Er${esc}[31mror (1)\nno\nerror (2) .*\n`);
  const found = (text: string) => hitsOf(chunks, text).map(({ from, to }) => chunks[0]?.shown.slice(from, to));
  expect(found("error (")).toEqual(["Error (", "error ("]);
  expect(found(".*")).toEqual([".*"]);
  expect(found("e.r")).toEqual([]);
  expect(found("")).toEqual([]);
  const [chunk] = chunks;
  const cut = chunk ? cutPieces(chunk, hitsOf(chunks, "error")) : [];
  expect(cut.map(({ text }) => text).join("")).toBe(chunk?.shown);
  expect(cut.filter(({ hit }) => hit).map(({ text }) => text)).toEqual(["Er", "ror", "error"]);
  expect(hitsOf(chunksOf("e".repeat(5000)), "e")).toHaveLength(maxHits);
});

test("largest output is prepared and searched at once", () => {
  const text = `${esc}[32mok${esc}[0m value=17 status ready\n`.repeat(9000).slice(0, 256 * 1024);
  const started = performance.now();
  const chunks = chunksOf(text);
  hitsOf(chunks, "status");
  const took = performance.now() - started;
  expect(took).toBeLessThan(5000); // takes about 50 ms on an idle machine; a quadratic search would take minutes
  const hostile = `${esc}[`.repeat(128 * 1024);
  expect(chunksOf(hostile)).toHaveLength(1);
  expect(performance.now() - started).toBeLessThan(20_000);
});
