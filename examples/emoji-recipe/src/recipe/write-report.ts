import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Llava } from "@kd/mllm";
import type { BackendDescription } from "@kd/tensor-core";
import { renderReport } from "../report/render-report.ts";
import type { ReportData } from "../report/report-data.ts";
import { readMetrics } from "../train/metrics-file.ts";
import type { Materials } from "./materials.ts";
import { sampleAnswers } from "./sample-answers.ts";
import { type Budget, type Chain, CONTROL, STUDENT } from "./schemes.ts";
import { type Summary, seedFolder } from "./summary.ts";

const LICENCES: ReportData["licences"] = [
  { vendor: "Noto Emoji (noto, noto-v1)", licence: "Apache-2.0", author: "Google" },
  { vendor: "Twemoji", licence: "CC-BY-4.0", author: "Twitter, Inc. and contributors" },
  { vendor: "EmojiOne 2 (emojione)", licence: "CC-BY-4.0", author: "EmojiOne" },
  { vendor: "FxEmojis", licence: "Apache-2.0", author: "Mozilla" },
  { vendor: "Fluent Emoji flat (tested on, never trained on)", licence: "MIT", author: "Microsoft" },
  { vendor: "EmojiOne 1 (tested on, never trained on)", licence: "CC-BY-SA-4.0", author: "EmojiOne" },
];

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

/** Writes `report.html`: scores with floors, curves of every term by stage, pictures with the three answers. */
export async function writeReport({
  folder,
  summary,
  seeds,
  chains,
  budget,
  backend,
  materials,
  models,
}: WriteReport): Promise<void> {
  const { gemm } = backend;
  const data: ReportData = {
    title: "Emoji recipe: a small model distilled from a larger one",
    quick: summary.quick,
    command: (await readFile(join(folder, "command.txt"), "utf8")).trim(),
    seconds: summary.seconds,
    versions: { node: process.version, platform: `${process.platform} ${process.arch}` },
    engine: `${backend.engine}, matrix products by ${gemm.library ?? gemm.provider}, one core a chain`,
    seeds: seeds.length,
    summary: {
      scores: {
        teacher: { ...summary.scores.teacher, label: "teacher" },
        student: { ...summary.scores.student, label: `student (${STUDENT})` },
        control: { ...summary.scores.control, label: `control (${CONTROL})` },
        ...Object.fromEntries(Object.entries(summary.schemes).filter(([name]) => name !== CONTROL && name !== STUDENT)),
      },
      floors: summary.floors,
      ...(summary.paired.deviation === undefined
        ? {}
        : { paired: { mean: summary.paired.mean, deviation: summary.paired.deviation, seeds: seeds.length } }),
    },
    curves: await readCurves(folder, seeds, chains),
    samples: await sampleAnswers(materials, models),
    licences: LICENCES,
    config: { seeds, chains, budget, backend },
  };
  await writeFile(join(folder, "report.html"), renderReport(data));
}

async function readCurves(
  folder: string,
  seeds: readonly number[],
  chains: readonly Chain[],
): Promise<ReportData["curves"]> {
  const curves: ReportData["curves"][number][] = [];
  for (const seed of seeds)
    for (const { name, stages } of chains)
      for (const { prefix, stage } of stages) {
        const rows = await readMetrics(join(seedFolder(folder, seed), prefix, "metrics.jsonl"));
        curves.push({ chain: name, stage, seed, rows: rows as unknown as Record<string, number>[] });
      }
  return curves;
}
