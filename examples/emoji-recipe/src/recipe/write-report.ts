import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Llava } from "@kd/mllm";
import { formatDuration, stepTimes } from "@kd/runs";
import { readMetrics } from "@kd/runs/node";
import { type ReportCurve, type ReportScores, renderReport, type ScoreRow } from "@kd/runs/report";
import type { BackendDescription } from "@kd/tensor-core";
import { TEST_VENDORS } from "../data/vendors.ts";
import type { Scores } from "../model/evaluate.ts";
import { gramPictures } from "./gram-pictures.ts";
import type { Materials } from "./materials.ts";
import { sampleAnswers } from "./sample-answers.ts";
import { type Budget, type Chain, CONTROL, runFolder, STUDENT } from "./schemes.ts";
import { type Summary, seedFolder } from "./summary.ts";

const ART: readonly string[] = [
  "Noto Emoji (noto, noto-v1): Apache-2.0, Google",
  "Twemoji: CC-BY-4.0, Twitter, Inc. and contributors",
  "EmojiOne 2 (emojione): CC-BY-4.0, EmojiOne",
  "FxEmojis: Apache-2.0, Mozilla",
  "Fluent Emoji flat (tested on, never trained on): MIT, Microsoft",
  "EmojiOne 1 (tested on, never trained on): CC-BY-SA-4.0, EmojiOne",
];
/** The tasks that macro is the mean of. */
const TASKS: readonly string[] = ["name", "group", "kind", "colour", "presence"];

export interface WriteReport {
  readonly folder: string;
  readonly summary: Summary;
  readonly seeds: readonly number[];
  readonly chains: readonly Chain[];
  readonly budget: Budget;
  readonly backend: BackendDescription;
  readonly materials: Materials;
  readonly models: { readonly teacher: Llava; readonly control: Llava; readonly student: Llava };
}

/** Writes `report.html`: scores with floors, pictures with the three answers, Gram matrices, curves of every term by stage. */
export async function writeReport(options: WriteReport): Promise<void> {
  const { folder, summary, seeds, chains, budget, backend, materials, models } = options;
  const { gemm } = backend;
  const { paired } = summary;
  const spread =
    paired.deviation === undefined
      ? "one seed, so nothing is known of its spread"
      : `± ${paired.deviation.toFixed(1)}, standard deviation of ${seeds.length} paired differences`;
  const lines = await readCurves(seedFolder(folder, seeds[0] as number), chains);
  const { seconds, dataSeconds } = stepTimes(lines.flatMap(({ rows }) => rows));
  const page = renderReport({
    title: "Emoji recipe: a small model distilled from a larger one",
    ...(summary.quick
      ? { notice: "A quick taste, not a result: far too short a training to judge distillation by." }
      : {}),
    facts: [
      ["command", (await readFile(join(folder, "command.txt"), "utf8")).trim()],
      ["took", formatDuration(summary.seconds * 1000)],
      ["waited for data", `${((100 * dataSeconds) / seconds).toFixed(1)} % of the steps' time`],
      ["seeds", String(seeds.length)],
      ["engine", `${backend.engine}, matrix products by ${gemm.library ?? gemm.provider}, one core a chain`],
      ["versions", `node ${process.version}, ${process.platform} ${process.arch}`],
    ],
    headline: { value: paired.mean, text: `student minus control, macro (${spread})` },
    scores: scoresOf(summary),
    samples: {
      note: "Drawn by a seed, not chosen. A tick marks a right answer, a cross a wrong one.",
      shown: await sampleAnswers(materials, models),
    },
    grams: {
      note: "Cosines of a picture's visual tokens with each other, in each model: RDist makes the student's like the teacher's. Double-centred logits: raw ones are nearly parallel in every model.",
      pictures: await gramPictures(materials, models),
    },
    curves: lines,
    curvesNote: `${seeds.length > 1 ? `Seed ${seeds[0]} of ${seeds.length} seeds. ` : ""}Every term as it is before its weight; loss is their weighted sum, so a stage with a teacher starts higher than one without.`,
    lists: [{ title: "Art", items: ART }],
    config: { seeds, chains, budget, backend },
  });
  await writeFile(join(folder, "report.html"), page);
}

function scoresOf({ scores, schemes, floors }: Summary): ReportScores {
  const row = (name: string, { macro, tasks, deviation }: Scores & { deviation?: number }): ScoreRow => ({
    name,
    values: { macro, ...tasks },
    ...(deviation === undefined ? {} : { deviation }),
  });
  return {
    unit: "percent right",
    note: `Exact match on known things drawn by ${TEST_VENDORS[0]}, which nothing was trained on; macro is the mean of the five tasks. Control and student make equal passes over the same questions; the control has no teacher.`,
    main: "macro",
    tasks: TASKS,
    models: [
      { ...row("teacher", scores.teacher), role: "teacher" },
      { ...row("student", scores.student), role: "student", label: `student (${STUDENT})` },
      { ...row("control", scores.control), role: "control", label: `control (${CONTROL})` },
      ...Object.entries(schemes).flatMap(([name, score]) =>
        name === CONTROL || name === STUDENT ? [] : [row(name, score)],
      ),
    ],
    floors: [
      { ...row("blind", floors.blind), note: "a model that never sees the picture" },
      { ...row("majority", floors.majority), note: "the most frequent answer" },
    ],
  };
}

/** Student and control first: they have the first colours. */
async function readCurves(folder: string, chains: readonly Chain[]): Promise<ReportCurve[]> {
  const rank = ({ name }: Chain): number => (name === STUDENT ? 0 : name === CONTROL ? 1 : 2);
  const curves: ReportCurve[] = [];
  for (const chain of [...chains].sort((a, b) => rank(a) - rank(b))) {
    const rows = await readMetrics(join(runFolder(folder, chain), "metrics.jsonl"));
    for (const [i, { prefix, stage }] of chain.stages.entries()) {
      const label = chain.stages
        .slice(0, i + 1)
        .map((earlier) => earlier.stage.toUpperCase())
        .join("-");
      const own = rows.filter((row) => row.stage === prefix);
      curves.push({ line: chain.name, label, stage: stage.toUpperCase(), rows: own });
    }
  }
  return curves;
}
