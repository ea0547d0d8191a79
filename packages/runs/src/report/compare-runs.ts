import type { MetricsRow } from "../metrics-row.ts";
import { stepTimes } from "../step-times.ts";
import { oneDecimal, short } from "./numbers.ts";
import type { ReportCurve, ReportData } from "./report-data.ts";

/** A run as its folder tells it: `readRun` of `@kd/runs/node` reads one. */
export interface RunRecord {
  readonly name: string;
  readonly command: string;
  readonly config: unknown;
  readonly versions: Readonly<Record<string, string>>;
  readonly commit?: string | undefined;
  readonly stages: readonly { readonly name: string; readonly totalSteps: number }[];
  readonly rows: readonly MetricsRow[];
  /** What its models were seen to do at its end. */
  readonly evaluation?: Pick<ReportData, "scores" | "samples" | "grams">;
}

/** The report of one run, or of several beside each other: last numbers by stage, curves, and where their configurations differ. */
export function reportOfRuns(runs: readonly RunRecord[]): ReportData {
  const names = distinct(runs.map(({ name }) => name));
  const [first] = runs;
  const one = runs.length === 1 && first !== undefined ? first : undefined;
  const positions = Math.max(0, ...runs.map(({ stages }) => stages.length));
  const different = differences(runs.map(({ config }) => config));
  return {
    title: one === undefined ? `${runs.length} runs beside each other` : `Run ${one.name}`,
    facts:
      one === undefined
        ? runs.map((run, i) => [names[i] as string, madeBy(run)])
        : [
            ["command", one.command],
            ["made by", madeBy(one)],
          ],
    ...(one?.evaluation ?? {}),
    curves: runs.flatMap((run, i) => curvesOf(run, names[i] as string)),
    curvesNote: "Every term as it is before its weight; loss is their weighted sum.",
    tables: [
      ...(one === undefined ? scoresOf(runs, names) : []),
      ...Array.from({ length: positions }, (_, position) => lastNumbers(runs, { names, position })),
      ...(different.length === 0
        ? []
        : [{ title: "Where the configurations differ", columns: ["setting", ...names], rows: different }]),
    ],
    config: one === undefined ? Object.fromEntries(runs.map(({ config }, i) => [names[i], config])) : one.config,
  };
}

/** Each run's scores with their floors, where a run has any. */
function scoresOf(runs: readonly RunRecord[], names: readonly string[]): NonNullable<ReportData["tables"]> {
  const rows = runs.flatMap(({ evaluation }, i) => {
    const { main = "", models = [], floors = [] } = evaluation?.scores ?? {};
    return [...models, ...floors].map(({ name, values }) => [names[i] as string, name, main, oneDecimal(values[main])]);
  });
  return rows.length === 0 ? [] : [{ title: "Scores", columns: ["run", "model", "what", "percent"], rows }];
}

const madeBy = ({ versions, commit }: RunRecord): string =>
  [
    ...Object.entries(versions).map(([name, version]) => `${name} ${version}`),
    ...(commit === undefined ? [] : [`commit ${commit.replace(/^([0-9a-f]{12})[0-9a-f]+/, "$1")}`]),
  ].join(", ");

function curvesOf({ stages, rows }: RunRecord, line: string): ReportCurve[] {
  return stages.map(({ name }) => ({ line, stage: name, rows: rows.filter(({ stage }) => stage === name) }));
}

function lastNumbers(
  runs: readonly RunRecord[],
  { names, position }: { readonly names: readonly string[]; readonly position: number },
): NonNullable<ReportData["tables"]>[number] {
  const all = runs.flatMap(({ stages, rows }, i) => {
    const stage = stages[position]?.name;
    return stage === undefined
      ? []
      : [{ run: names[i] as string, stage, rows: rows.filter((row) => row.stage === stage) }];
  });
  const keys = [...new Set(all.flatMap(({ rows }) => rows.flatMap((row) => Object.keys(row))))].filter(
    (key) => key.startsWith("train/") || key.startsWith("eval/"),
  );
  // An evaluation is not in every row: the last there is.
  const last = (rows: readonly MetricsRow[], key: string): string =>
    short(rows.findLast((row) => row[key] !== undefined)?.[key]);
  return {
    title: `Stage ${position + 1}: last numbers`,
    columns: [
      "run",
      "stage",
      "steps",
      "ms a step",
      "of it for data",
      ...keys.map((key) => key.replace(/^train\/loss_/, "").replace(/^train\//, "")),
    ],
    rows: all.map(({ run, stage, rows }) => [
      ...[run, stage, String(rows.length), ...timesOf(rows)],
      ...keys.map((key) => last(rows, key)),
    ]),
  };
}

/** Mean wall time of a step, and the share of it that waited for data; dashes where the steps did not say. */
function timesOf(rows: readonly MetricsRow[]): string[] {
  const { seconds, dataSeconds } = stepTimes(rows);
  if (seconds === 0) return ["–", "–"];
  return [((1000 * seconds) / rows.length).toFixed(0), `${((100 * dataSeconds) / seconds).toFixed(1)} %`];
}

/** Settings that are not the same in all, as rows of a table. What a run has not at all, as a stage with its settings, is one row. */
function differences(configs: readonly unknown[]): string[][] {
  const tops = configs.map((config) => new Map(Object.entries(config ?? {})));
  const isWhole = (key: string): boolean => tops.every((own) => own.has(key));
  const leaves = tops.map((own) =>
    leavesOf(
      Object.fromEntries(
        [...own].map(([key, value]) => [key, typeof value !== "object" || isWhole(key) ? value : "set"]),
      ),
    ),
  );
  const keys = [...new Set(leaves.flatMap((own) => [...own.keys()]))];
  const rows = keys.map((key) => [key, ...leaves.map((own) => own.get(key) ?? "–")]);
  return rows.filter(([, ...values]) => new Set(values).size > 1);
}

function leavesOf(value: unknown, path = "", into: Map<string, string> = new Map()): Map<string, string> {
  if (typeof value === "object" && value !== null)
    for (const [key, inner] of Object.entries(value)) leavesOf(inner, path === "" ? key : `${path}.${key}`, into);
  else into.set(path, String(value));
  return into;
}

/** Names with a number behind those that come again. */
function distinct(names: readonly string[]): string[] {
  return names.map((name, i) => {
    const before = names.slice(0, i).filter((other) => other === name).length;
    return before === 0 ? name : `${name} (${before + 1})`;
  });
}
