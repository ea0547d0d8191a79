import { KdError } from "@kd/contract";
import { stages } from "@kd/stages";
import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";
import type { RunConfig, RunKeys, StageConfig } from "./config.ts";
import { defaultsOf, runShape, STAGE_NAMES, stageShape, studentShape } from "./config-schema.ts";

type Values = Readonly<Record<string, unknown>>;
const stageSchema = z.object(stageShape) as unknown as z.ZodType<StageConfig>;
const partialStage = z.object(stageShape).partial() as z.ZodType;
const runSchema = z.object(runShape) as unknown as z.ZodType<RunKeys>;
const RUN_KEYS = Object.keys(runShape);
const STAGE_KEYS = Object.keys(stageShape);

/**
 * A run from what a file and the command line say: default < whole file < a stage's part of the file < command line.
 *
 * @throws KdError `KD_CONFIG` naming file and key, with the nearest known key for an unknown one.
 */
export function resolveConfig(raw: Values, flags: Values, where: string): RunConfig {
  refuseUnknownKeys(raw, where);
  refuseUnknownKeys(flags, "command line");
  const student =
    isObject(raw.student) && isObject(flags.student) ? { student: { ...raw.student, ...flags.student } } : {};
  const run = parse(runSchema, { ...pick(raw, RUN_KEYS), ...pick(flags, RUN_KEYS), ...student }, where);
  const shared = pick(raw, STAGE_KEYS);
  for (const name of STAGE_NAMES) if (raw[name] !== undefined) parse(partialStage, raw[name], `${where}: ${name}`);
  const resolved = Object.fromEntries(
    [...new Set(run.stages)].map((name) => {
      const own = {
        ...shared,
        ...(raw[name] as object | undefined),
        ...pick(flags, STAGE_KEYS),
        ...((flags[name] ?? {}) as object),
      };
      return [name, parse(stageSchema, { ...defaultsOf(name, run.preset), ...own }, `${where}: ${name}`)];
    }),
  );
  const distils = run.stages.find((name) => stages[name].distills);
  if (distils !== undefined && run.teacher === null)
    throw new KdError(
      "KD_CONFIG",
      `${where}: stage ${distils} distils and needs a teacher, got none; give one, or take pt and sft`,
    );
  return { ...run, ...resolved };
}

function parse<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const key = issue?.path.join(".") ?? "";
  const given = issue?.path.reduce((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], value);
  throw new KdError(
    "KD_CONFIG",
    `${where}: ${given === undefined ? `${key} is missing` : `${key}: ${issue?.message}, got ${JSON.stringify(given)}`}; correct it, or see kd train --help`,
  );
}

/** The nearest known word, or nothing where none is near. */
function nearest(word: string, known: readonly string[]): string | undefined {
  const found = closest(word, [...known]);
  return distance(word, found) <= Math.max(2, word.length / 3) ? found : undefined;
}

/** At every depth but a template's. */
function refuseUnknownKeys(values: Values, where: string): void {
  refuseUnknown(values, [...RUN_KEYS, ...STAGE_KEYS, ...STAGE_NAMES], where);
  if (isObject(values.student)) refuseUnknown(values.student, Object.keys(studentShape), `${where}: student`);
  for (const name of STAGE_NAMES)
    if (isObject(values[name])) refuseUnknown(values[name], STAGE_KEYS, `${where}: ${name}`);
}

function refuseUnknown(value: Values, known: readonly string[], where: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  throw new KdError(
    "KD_CONFIG",
    `${where}: unknown key "${unknown}"; ${near === undefined ? `expected one of ${known.join(", ")}` : `did you mean "${near}"?`}`,
  );
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const pick = (value: Values, keys: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
