import { expect, it } from "vitest";
import { renderReport } from "./render-report.ts";
import type { ReportData } from "./report-data.ts";

const score = (macro: number) => ({
  macro,
  tasks: { name: macro, group: macro, kind: macro, colour: macro, presence: macro },
});
const rows = Array.from({ length: 900 }, (_, i) => ({
  _step: i + 1,
  "train/loss": 5 - i / 300,
  "train/loss_rdist": 0.1,
  "opt/lr": 1e-3,
}));
const data: ReportData = {
  title: "Report",
  quick: true,
  command: "npm run recipe -- --name '<b>'",
  seconds: 90,
  versions: { node: "20" },
  engine: "wasm",
  seeds: 1,
  summary: {
    scores: { teacher: score(70), student: score(61.25), control: score(55) },
    floors: { majority: score(12), blind: score(13) },
  },
  curves: [
    { chain: "PT-SFT-SFT", stage: "pt", seed: 1, rows },
    { chain: "DPT-SFT-DFT", stage: "dpt", seed: 1, rows },
  ],
  samples: [
    {
      image: "data:image/png;base64,AA==",
      question: "what is this ? <script>alert(1)</script>",
      answer: "dog",
      answers: { teacher: "dog", student: "cat" },
    },
  ],
  licences: [{ vendor: "noto", licence: "Apache-2.0" }],
  config: { seeds: 1 },
};

it("shows numbers, curves, floors and answers, and says that a taste is one", () => {
  const html = renderReport(data);
  expect(html).toContain("A quick taste, not a result");
  expect(html).toContain("<b>+6.3</b>"); // 61.25 − 55, rounded
  expect(html).toContain("one seed");
  expect(html.match(/<figure>/g)).toHaveLength(3); // loss, rdist, learning rate of the one stage position
  expect(html).toMatch(/left:12\.0%/);
  expect(html).toMatch(/class="right"[\s\S]*dog[\s\S]*class="wrong"[\s\S]*cat/);
});

it("says the deviation of the paired differences when several seeds ran", () => {
  const summary = { ...data.summary, paired: { mean: -1.24, deviation: 0.56, seeds: 3 } };
  const html = renderReport({ ...data, quick: false, summary });
  expect(html).not.toContain("A quick taste");
  expect(html).toContain("<b>−1.2</b>");
  expect(html).toContain("±&nbsp;0.6, standard deviation of 3 paired differences");
});

it("lists every scheme and every task, and a dash for what was not measured", () => {
  const scores = { ...data.summary.scores, "PT-SFT": { macro: 51, deviation: 0.6, tasks: { name: 14, count: 97 } } };
  const html = renderReport({ ...data, summary: { ...data.summary, scores } });
  expect(html).toContain('<th scope="col">count</th>');
  expect(html).toMatch(
    /<th scope="row">PT-SFT<\/th><td><b>51\.0<\/b> <small>±&nbsp;0\.6<\/small><\/td><td>14\.0<\/td><td>–/,
  );
});

it("draws no more than 300 points a line, and survives a run that logged nothing", () => {
  const paths = [...renderReport(data).matchAll(/ d="(M[^"]*)"/g)].map(([, d]) => (d as string).split("L").length);
  expect(Math.max(...paths)).toBe(300);
  expect(renderReport({ ...data, curves: [], samples: [], config: undefined })).toContain("Nothing was logged");
});

it("runs nothing and asks for nothing: text is escaped, no script, no request", () => {
  const html = renderReport(data);
  expect(html).not.toMatch(/<script/i);
  expect(html).toContain("&lt;script&gt;");
  expect(html).toContain("&lt;b&gt;");
  expect(html.replaceAll("http://www.w3.org/", "")).not.toMatch(/https?:\/\//);
});
