import { expect, it } from "vitest";
import { formatRow, latestRows, parseRows, type Row } from "./results-csv.ts";
import { caption, markdownTable, shortTable } from "./table.ts";

const row = (values: Partial<Row>): Row => ({
  date: "2026-11-26T10:00",
  machine: "A chip",
  cores: "2",
  what: "step a",
  contender: "kd wasm + libopenblas.so.0",
  versions: "node 20",
  threads: "1",
  samples: "40",
  ms_p20: "1",
  ms_p50: "100",
  ms_p80: "3",
  peak_mib: "200.4",
  idle_mib: "90",
  extra_mib: "",
  ...values,
});
const rows = [
  row({}),
  row({ threads: "2", ms_p50: "60" }),
  row({ contender: "pytorch eager", versions: "pytorch 2", ms_p50: "80", peak_mib: "800" }),
  row({ contender: "pytorch eager", versions: "pytorch 2", threads: "2", ms_p50: "50", peak_mib: "800" }),
  row({ contender: "pytorch compile", versions: "pytorch 2", ms_p50: "40", peak_mib: "900" }),
];

it("puts us over the peers of the same threads, then each side's best", () => {
  expect(markdownTable(rows).split("\n").slice(2)).toEqual([
    "| step a | 1 | libopenblas.so.0 | 100 | 80 | 1.25 | 40 | 2.50 | 200, 800, 900 |",
    "| step a | 2 | libopenblas.so.0 | 60 | 50 | 1.20 |  |  | 200, 800 |",
    "| step a | each its best | libopenblas.so.0 | 60 | 50 | 1.20 | 40 | 1.50 | 200, 800, 900 |",
  ]);
  expect(caption(rows)).toBe("A chip, 2 cores, 2026-11-26. node 20, pytorch 2.");
});

it("has a line a product in the short form, every side at its best, things in order and in words", () => {
  const others = ["generate m", "kd 256x32000", "step b", "step a dpt"].map((what) => row({ what }));
  const wasm = row({ contender: "kd wasm", threads: "2", ms_p50: "150" });
  expect(
    shortTable([...others, ...rows, wasm])
      .split("\n")
      .slice(2),
  ).toEqual([
    "| training step, a | libopenblas.so.0 | 60 | 50 | 1.20 | 40 | 1.50 | 200, 800, 900 |",
    "| training step, a | wasm | 150 | 50 | 3.00 | 40 | 3.75 | 200, 800, 900 |",
    "| training step, b | libopenblas.so.0 | 100 |  |  |  |  | 200 |",
    "| step with a teacher and all four terms (DPT), a | libopenblas.so.0 | 100 |  |  |  |  | 200 |",
    "| KD terms with gradients, 256 rows, V 32000 | libopenblas.so.0 | 100 |  |  |  |  | 200 |",
    "| a generated token, m | libopenblas.so.0 | 100 |  |  |  |  | 200 |",
  ]);
});

it("shows the memory beyond inputs where it was measured", () => {
  const two = [row({ extra_mib: "12.6" }), row({ contender: "pytorch eager", extra_mib: "99.9" })];
  expect(markdownTable(two)).toContain("| 13, 100 beyond inputs and gradients |");
});

it("reads the rows that it writes, without commas inside", () => {
  const [written] = rows as [Row];
  const head = Object.keys(written).join();
  const odd = { ...written, machine: "A, chip\n" };
  expect(parseRows([head, formatRow(odd)].join("\n"))).toEqual([{ ...written, machine: "A; chip;" }]);
  expect(() => parseRows("a,b")).toThrow(/expected the columns date,/);
});

it("keeps each thing's newest rows", () => {
  const old = row({ date: "2026-11-25T10:00" });
  const other = row({ date: "2026-11-24T10:00", what: "step b" });
  expect(latestRows([old, other, ...rows])).toEqual([other, ...rows]);
});
