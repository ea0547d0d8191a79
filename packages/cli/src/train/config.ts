import { KdError } from "@kd/contract";
import { type Template, templates } from "@kd/data";
import { presets, stages } from "@kd/stages";
import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";

export type StageName = "pt" | "dpt" | "sft" | "dft";

/** A template by its name in @kd/data, or written out: its fields in snake case. */
export type TemplateConfig =
  | keyof typeof templates
  | {
      readonly system: string;
      readonly user: string;
      readonly assistant: string;
      readonly before_answer: string;
      readonly after_answer: string;
      readonly drop_question: boolean;
    };

/** What one stage needs; given for all stages, or for one under its name, which wins. */
export interface StageConfig {
  /** LLaVA's JSON. */
  readonly data_path: string;
  /** Where its pictures are. */
  readonly image_folder: string;
  /** @defaultValue "pretrain" for pt and dpt, "qwen2_base" for sft and dft, as the release */
  readonly template: TemplateConfig;
  /** @defaultValue 1 */
  readonly epochs: number;
  /** Instead of epochs. @defaultValue null */
  readonly max_steps: number | null;
  /** Records a step. @defaultValue 256 for pt and dpt, 128 for sft and dft, the paper's */
  readonly batch_size: number;
  /** Records at a time: memory, not results. @defaultValue 8 */
  readonly micro_batch_size: number;
  /** Peak. @defaultValue 1e-3 for pt and dpt, 2e-5 for sft and dft, the paper's */
  readonly learning_rate: number;
  /** @defaultValue 0.03 */
  readonly warmup_ratio: number;
  /** @defaultValue 0 */
  readonly weight_decay: number;
  /** @defaultValue 1 */
  readonly max_grad_norm: number;
  /** Less memory for a third more time. @defaultValue false */
  readonly gradient_checkpointing: boolean;
  /** Tokens of a record, those of its pictures included; the rest is cut off. @defaultValue 2048 */
  readonly max_length: number;
  /** Weight of the KL on answers. @defaultValue the preset's */
  readonly alpha: number;
  /** Weight of the KL on visual tokens. @defaultValue the preset's */
  readonly beta: number;
  /** Weight of RDist. @defaultValue the preset's */
  readonly gamma: number;
  /** @defaultValue 1 */
  readonly temperature: number;
  /** Steps between two checkpoints. @defaultValue 200 */
  readonly save_steps: number;
}

/** A student made of parts, with a new projector. */
export interface StudentParts {
  readonly language_model: string;
  /** @defaultValue the teacher's */
  readonly vision_tower?: string | undefined;
  /** @defaultValue the teacher's, else -2 */
  readonly vision_feature_layer?: number | undefined;
  /** @defaultValue the teacher's, else "default" */
  readonly vision_feature_select_strategy?: "default" | "full" | undefined;
}

interface RunKeys {
  /** Folder of the large model; dpt and dft need one. @defaultValue null */
  readonly teacher: string | null;
  /** What its weights are kept in. @defaultValue "bf16" */
  readonly teacher_dtype: "bf16" | "fp16" | "float32";
  /** Folder of the small model, or what it is made of. */
  readonly student: string | StudentParts;
  readonly output_dir: string;
  /** @defaultValue dpt, sft, dft */
  readonly stages: readonly StageName[];
  /** Weights of the distilling terms and the form of RDist. @defaultValue "paper" */
  readonly preset: "paper" | "release";
  /** Of the new projector and the order of records. @defaultValue 1234, the release's */
  readonly seed: number;
}

/** A run, all of it known; as JSON it is a configuration that gives the same run. */
export type RunConfig = RunKeys & { readonly [name in StageName]?: StageConfig };

type Shape<T> = { readonly [key in keyof T]: z.ZodType<T[key]> };
const count = z.int().positive();
const rate = z.number().positive();
const weight = z.number().nonnegative();
const STAGE_NAMES: readonly StageName[] = ["pt", "dpt", "sft", "dft"];

const stageShape: Shape<StageConfig> = {
  data_path: z.string(),
  image_folder: z.string(),
  template: z.union([
    z.enum(Object.keys(templates) as (keyof typeof templates)[]),
    z.object({
      system: z.string().default(""),
      user: z.string().default(""),
      assistant: z.string(),
      before_answer: z.string().default(" "),
      after_answer: z.string(),
      drop_question: z.boolean().default(false),
    }),
  ]),
  epochs: count,
  max_steps: count.nullable(),
  batch_size: count,
  micro_batch_size: count,
  learning_rate: rate,
  warmup_ratio: z.number().min(0).max(1),
  weight_decay: weight,
  max_grad_norm: rate,
  gradient_checkpointing: z.boolean(),
  max_length: count,
  alpha: weight,
  beta: weight,
  gamma: weight,
  temperature: rate,
  save_steps: count,
};
const studentShape: Shape<Required<StudentParts>> = {
  language_model: z.string(),
  vision_tower: z.string().optional(),
  vision_feature_layer: z.int().optional(),
  vision_feature_select_strategy: z.enum(["default", "full"]).optional(),
};
const runShape: Shape<RunKeys> = {
  teacher: z.string().nullable().default(null),
  teacher_dtype: z.enum(["bf16", "fp16", "float32"]).default("bf16"),
  student: z.union([z.string(), z.object(studentShape)]) as z.ZodType<string | StudentParts>,
  output_dir: z.string(),
  stages: z
    .array(z.enum(STAGE_NAMES as StageName[]))
    .min(1)
    .default(["dpt", "sft", "dft"]),
  preset: z.enum(["paper", "release"]).default("paper"),
  seed: z.int().nonnegative().default(1234),
};
const stageSchema = z.object(stageShape) as unknown as z.ZodType<StageConfig>;
const partialStage = z.object(stageShape).partial();
const runSchema = z.object(runShape) as unknown as z.ZodType<RunKeys>;
const RUN_KEYS = Object.keys(runShape);
const STAGE_KEYS = Object.keys(stageShape);

/** Keys whose values are paths. */
export const PATH_KEYS: readonly string[] = [
  "teacher",
  "student",
  "output_dir",
  "data_path",
  "image_folder",
  "language_model",
  "vision_tower",
];

/** Defaults of a stage: the paper's where it gives one, else the release's scripts'. */
function defaultsOf(name: StageName, preset: "paper" | "release"): Partial<StageConfig> {
  const pretrains = name === "pt" || name === "dpt";
  const { alpha, beta, gamma } = presets[preset];
  return {
    template: pretrains ? "pretrain" : "qwen2_base",
    epochs: 1,
    max_steps: null,
    batch_size: pretrains ? 256 : 128,
    micro_batch_size: 8,
    learning_rate: stages[name].learningRate,
    warmup_ratio: 0.03,
    weight_decay: 0,
    max_grad_norm: 1,
    gradient_checkpointing: false,
    max_length: 2048,
    alpha,
    beta,
    gamma,
    temperature: 1,
    save_steps: 200,
  };
}

/**
 * A run from what a file and the command line say: default < whole file < a stage's part of the file < command line.
 *
 * @throws KdError `KD_CONFIG` naming file and key, with the nearest known key for an unknown one.
 */
export function resolveConfig(
  raw: Readonly<Record<string, unknown>>,
  flags: Readonly<Record<string, unknown>>,
  where: string,
): RunConfig {
  refuseUnknown(raw, [...RUN_KEYS, ...STAGE_KEYS, ...STAGE_NAMES], where);
  if (isObject(raw.student)) refuseUnknown(raw.student, Object.keys(studentShape), `${where}: student`);
  const run = parse(runSchema, { ...pick(raw, RUN_KEYS), ...pick(flags, RUN_KEYS) }, where);
  const shared = pick(raw, STAGE_KEYS);
  for (const name of STAGE_NAMES) {
    const own = raw[name];
    if (own === undefined) continue;
    if (!isObject(own))
      throw new KdError("KD_CONFIG", `${where}: ${name} must be an object, got ${JSON.stringify(own)}`);
    refuseUnknown(own, STAGE_KEYS, `${where}: ${name}`);
    parse(partialStage as z.ZodType, own, `${where}: ${name}`);
  }
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

/** A stage's template as @kd/data takes it. */
export function templateOf({ template }: StageConfig): Template {
  if (typeof template === "string") return templates[template];
  const { system, user, assistant, before_answer, after_answer, drop_question } = template;
  return {
    name: "own",
    system,
    user,
    assistant,
    beforeAnswer: before_answer,
    afterAnswer: after_answer,
    dropQuestion: drop_question,
  };
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
export function nearest(word: string, known: readonly string[]): string | undefined {
  const found = closest(word, [...known]);
  return distance(word, found) <= Math.max(2, word.length / 3) ? found : undefined;
}

function refuseUnknown(value: Readonly<Record<string, unknown>>, known: readonly string[], where: string): void {
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
const pick = (value: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
