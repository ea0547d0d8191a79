import { parseHTML } from "linkedom";
import { expect, it } from "vitest";
import { type RunRecord, reportOfRuns } from "./compare-runs.ts";
import { renderReport } from "./render-report.ts";
import type { ReportData } from "./report-data.ts";

const EVIL = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`;
const rows = Array.from({ length: 900 }, (_, i) => ({
  _step: i + 1,
  _timestamp: 0,
  stage: "dpt",
  stage_step: i + 1,
  "train/loss": 5 - i / 300,
  "train/loss_rdist": 0.1,
  "opt/lr": 1e-3,
  ...(i % 100 === 0 ? { "eval/agreement": i / 900 } : {}),
}));
const values = (macro: number) => ({ macro, name: macro, kind: macro });

/** Every text of the report is `text`. */
const data = (text: string): ReportData => ({
  title: text,
  notice: text,
  facts: [[text, text]],
  headline: { value: 6.25, text },
  scores: {
    unit: text,
    note: text,
    main: "macro",
    tasks: ["name", "kind"],
    models: [
      { name: "teacher", role: "teacher", values: values(70) },
      { name: "student", role: "student", label: text, values: { ...values(61.25), [text]: 97 }, deviation: 0.6 },
      { name: text, values: values(55) },
    ],
    floors: [{ name: text, note: text, values: values(12) }],
  },
  curves: [
    { line: "PT-SFT", label: text, stage: text, rows },
    { line: text, stage: text, rows: rows.map((row) => ({ ...row, [`train/loss_${text}`]: 1 })) },
  ],
  curvesNote: text,
  samples: {
    note: text,
    shown: [
      { image: "data:image/png;base64,AA==", question: text, answer: "dog", answers: { teacher: "dog", [text]: text } },
    ],
  },
  grams: {
    note: text,
    pictures: [{ image: text, caption: text, matrices: [{ name: text, values: [1, 0.5, 0.5, 1], note: text }] }],
  },
  tables: [{ title: text, columns: [text, text], rows: [[text, text]] }],
  lists: [{ title: text, items: [text] }],
  config: { [text]: text },
});

it("shows numbers, curves, floors, answers, matrices and what was set", () => {
  const html = renderReport(data("plain"));
  expect(html).toContain("<b>+6.3</b>");
  expect(html).toMatch(/left:12\.0%/);
  expect(html).toContain("<b>61.3</b> <small>±&nbsp;0.6</small>");
  expect(html).toMatch(/<th scope="row">plain<\/th><td><b>55\.0<\/b><\/td><td>55\.0<\/td><td>55\.0<\/td><td>–/); // not scored there
  expect(html).toMatch(/class="right"[\s\S]*dog[\s\S]*class="wrong"[\s\S]*plain/);
  expect(html.match(/shape-rendering="crispEdges"|<rect/g)?.length).toBeGreaterThanOrEqual(4);
  for (const title of ["loss", "rdist", "agreement with the teacher", "learning rate"])
    expect(html).toContain(`<figcaption>${title}</figcaption>`);
});

it("draws no more than 300 points a line, and survives a run that logged nothing", () => {
  const paths = [...renderReport(data("x")).matchAll(/ d="(M[^"]*)"/g)].map(([, d]) => (d as string).split("L").length);
  expect(Math.max(...paths)).toBe(300);
  expect(renderReport({ title: "t", facts: [], curves: [], config: undefined })).toContain("Nothing was logged");
});

it("runs nothing and asks for nothing, whatever its texts are", () => {
  const html = renderReport(data(EVIL));
  expect(html).not.toMatch(/<script/i);
  expect(html).not.toMatch(/<img src=x/);
  const { document } = parseHTML(html);
  expect([...document.querySelectorAll("script, [onerror], img[src=x]")]).toEqual([]);
  expect(html.match(/&lt;script&gt;/g)?.length).toBeGreaterThan(25);
  expect(html).toContain('<img src="" alt'); // a picture that is no data URI is not asked for
  expect(html.replaceAll("http://www.w3.org/", "")).not.toMatch(/https?:\/\//);
  expect(html).toContain("default-src 'none'");
});

it("averages a matrix down that is too large to draw cell by cell", () => {
  const side = 200;
  const matrix = Float32Array.from({ length: side * side }, (_, i) => (i % side === Math.floor(i / side) ? 1 : 0));
  const grams = { note: "", pictures: [{ image: "", caption: "", matrices: [{ name: "m", values: matrix }] }] };
  const cells = (values: ArrayLike<number>) => {
    const pictures = [{ ...grams.pictures[0], image: "", caption: "", matrices: [{ name: "m", values }] }];
    return renderReport({ title: "", facts: [], curves: [], config: 0, grams: { note: "", pictures } }).match(/<rect/g)
      ?.length;
  };
  expect(cells(matrix)).toBe(50 * 50);
  expect(cells(new Float32Array(16 * 16))).toBe(256);
});

it("compares runs: last numbers by stage, and the settings in which they differ", () => {
  const run = (seed: number, loss: number) => ({
    name: "run",
    command: "kd train",
    config: { seed, data: { folder: "x" } },
    versions: { node: "20" },
    stages: [{ name: "dpt", totalSteps: 900 }],
    rows: rows.map((row) => ({ ...row, "train/loss": loss })),
  });
  const report = reportOfRuns([run(1, 2.5), run(2, 1.25)]);
  expect(report.tables?.[0]).toEqual({
    title: "Stage 1: last numbers",
    columns: ["run", "stage", "steps", "ms a step", "of it for data", "loss", "rdist", "eval/agreement"],
    rows: [
      ["run", "dpt", "900", "–", "–", "2.5", "0.1", "0.8889"],
      ["run (2)", "dpt", "900", "–", "–", "1.25", "0.1", "0.8889"],
    ],
  });
  expect(report.tables?.[1]?.rows).toEqual([["seed", "1", "2"]]);
  expect(renderReport(report)).toContain("2 runs beside each other");
  expect(reportOfRuns([run(1, 2)]).title).toBe("Run run");
  const stages = { dpt: { lr: 1, beta: 1 }, sft: { lr: 1 } };
  const [both, one] = [
    { ...run(1, 2), config: stages },
    { ...run(1, 2), config: { dpt: { lr: 2, beta: 1 } } },
  ];
  expect(reportOfRuns([both, one]).tables?.at(-1)?.rows).toEqual([
    ["dpt.lr", "1", "2"],
    ["sft", "set", "–"],
  ]);
});

it("says how long a run's steps took, and what of that they waited for data", () => {
  const timed = rows.map((row) => ({ ...row, "perf/step_seconds": 0.05, "perf/data_seconds": 0.001 }));
  const run = { name: "one", command: "", config: {}, versions: {}, stages: [{ name: "dpt", totalSteps: 900 }] };
  const [table] = reportOfRuns([{ ...run, rows: timed }]).tables ?? [];
  expect(table?.columns.slice(3, 5)).toEqual(["ms a step", "of it for data"]);
  expect(table?.rows[0]?.slice(3, 5)).toEqual(["50", "2.0 %"]);
  const [untimed] = reportOfRuns([{ ...run, rows }]).tables ?? [];
  expect(untimed?.rows[0]?.slice(3, 5)).toEqual(["–", "–"]);
});

it("shows what a run's models were seen to do, and several runs' scores beside each other", () => {
  const { scores, samples, grams } = data("seen");
  const run = { command: "", config: {}, versions: {}, stages: [{ name: "dpt", totalSteps: 900 }], rows };
  const evaluation = { scores, samples, grams } as NonNullable<RunRecord["evaluation"]>;
  const alone = renderReport(reportOfRuns([{ ...run, name: "one", evaluation }]));
  for (const head of ["Scores", "Answers", "What the visual tokens relate"])
    expect(alone).toContain(`<h2>${head}</h2>`);
  const [table] =
    reportOfRuns([
      { ...run, name: "one", evaluation },
      { ...run, name: "two" },
    ]).tables ?? [];
  expect(table?.title).toBe("Scores");
  expect(table?.rows).toContainEqual(["one", "student", "macro", "61.3"]);
});
