import { join } from "node:path";
import { readMetrics } from "@kd/runs/node";
import type { Scores } from "../model/evaluate.ts";
import { HEADLINE } from "./evaluate-cells.ts";
import { readJson } from "./json-file.ts";
import { type Chain, CONTROL, runFolder, STUDENT } from "./schemes.ts";
import type { ChainResult } from "./train-chains.ts";

/** Mean over seeds; `deviation` is the sample standard deviation of macro, with at least two seeds. */
interface SchemeSummary extends Scores {
  readonly deviation?: number;
  readonly seeds: number;
}

export interface Summary {
  readonly seconds: number;
  readonly quick: boolean;
  /** On known concepts drawn by the first unseen vendor. */
  readonly scores: { readonly teacher: Scores; readonly control: SchemeSummary; readonly student: SchemeSummary };
  readonly floors: { readonly majority: Scores; readonly blind: Scores };
  /** Every scheme that ran, the two above among them. */
  readonly schemes: Readonly<Record<string, SchemeSummary>>;
  /** Student minus control, by seed. */
  readonly paired: { readonly mean: number; readonly deviation?: number; readonly differences: readonly number[] };
  /** Mean scores by scheme and cell: a second unseen vendor, unseen concepts and what choices may be made on. */
  readonly cells: Readonly<Record<string, Readonly<Record<string, Scores>>>>;
  /** Mean CPU seconds by stage, by the stage's name. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
}

export const seedFolder = (folder: string, seed: number): string => join(folder, `seed-${seed}`);

/** Reads what the workers wrote. */
export async function summarise(options: {
  folder: string;
  seeds: readonly number[];
  chains: readonly Chain[];
  teacher: Readonly<Record<string, Scores>>;
  floors: Summary["floors"];
  seconds: number;
  quick: boolean;
}): Promise<Summary> {
  const { folder, seeds, chains, teacher, floors, seconds, quick } = options;
  const results = new Map<string, ChainResult[]>();
  for (const chain of chains) {
    const read = seeds.map((seed) =>
      readJson<ChainResult>(join(runFolder(seedFolder(folder, seed), chain), "result.json")),
    );
    results.set(chain.name, await Promise.all(read));
  }
  const of = (scheme: string, cell: string): Scores[] =>
    (results.get(scheme) ?? []).map(({ cells }) => cells[cell] as Scores);
  const names = chains.map(({ name }) => name);
  const summaries = Object.fromEntries(names.map((name) => [name, averaged(of(name, HEADLINE))]));
  const differences = of(STUDENT, HEADLINE).map(
    ({ macro }, i) => macro - (of(CONTROL, HEADLINE)[i]?.macro ?? Number.NaN),
  );
  const cells = Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(Object.keys(teacher).map((cell) => [cell, averaged(of(name, cell))])),
    ]),
  );
  const cpuSeconds: Record<string, number> = {};
  for (const chain of chains)
    for (const { prefix } of chain.stages) {
      const bySeed = await Promise.all(seeds.map((seed) => stageCpuSeconds(seedFolder(folder, seed), chain, prefix)));
      cpuSeconds[prefix] = meanAndDeviation(bySeed).mean;
    }
  return {
    seconds,
    quick,
    scores: {
      teacher: teacher[HEADLINE] as Scores,
      control: summaries[CONTROL] as SchemeSummary,
      student: summaries[STUDENT] as SchemeSummary,
    },
    floors,
    schemes: summaries,
    paired: { ...meanAndDeviation(differences), differences },
    cells: { teacher, ...cells },
    cpuSeconds,
  };
}

/** CPU seconds that a stage of a finished chain took, resumed parts included. */
export async function stageCpuSeconds(folder: string, chain: Chain, prefix: string): Promise<number> {
  const rows = await readMetrics(join(runFolder(folder, chain), "metrics.jsonl"));
  return rows.reduce((sum, row) => sum + (row.stage === prefix ? Number(row["perf/cpu_seconds"] ?? 0) : 0), 0);
}

function averaged(scores: readonly Scores[]): SchemeSummary {
  const { mean, deviation } = meanAndDeviation(scores.map(({ macro }) => macro));
  const tasks = Object.fromEntries(
    Object.keys(scores[0]?.tasks ?? {}).map((task) => [
      task,
      meanAndDeviation(scores.map((s) => s.tasks[task] ?? Number.NaN)).mean,
    ]),
  );
  return { macro: mean, tasks, seeds: scores.length, ...(deviation === undefined ? {} : { deviation }) };
}

/** Mean, and the sample standard deviation of at least two values. */
export function meanAndDeviation(values: readonly number[]): { mean: number; deviation?: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  if (values.length < 2) return { mean };
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** The summary as people read it on a terminal. */
export function summaryTable({ scores, floors, schemes, paired, quick }: Summary): string {
  const tasks = ["name", "group", "kind", "colour", "presence", "count"];
  const row = (name: string, { macro, tasks: t, deviation }: Scores & { deviation?: number }): string =>
    [
      name.padEnd(26),
      macro.toFixed(1).padStart(6),
      (deviation === undefined ? "" : `± ${deviation.toFixed(1)}`).padEnd(7),
      ...tasks.map((task) => (t[task]?.toFixed(1) ?? "–").padStart(9)),
    ].join(" ");
  const others = Object.entries(schemes).filter(([name]) => name !== CONTROL && name !== STUDENT);
  return [
    ...(quick ? ["A quick taste: far too short a training to judge by.", ""] : []),
    ["percent right".padEnd(26), " macro", "       ", ...tasks.map((task) => task.padStart(9))].join(" "),
    row("teacher", scores.teacher),
    row(`student ${STUDENT}`, scores.student),
    row(`control ${CONTROL}`, scores.control),
    ...others.map(([name, score]) => row(name, score)),
    row("blind", floors.blind),
    row("majority", floors.majority),
    "",
    `student - control: ${paired.mean >= 0 ? "+" : ""}${paired.mean.toFixed(1)}${paired.deviation === undefined ? "" : ` ± ${paired.deviation.toFixed(1)} over ${paired.differences.length} seeds`}`,
  ].join("\n");
}
