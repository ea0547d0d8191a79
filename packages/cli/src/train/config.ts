import { type SamplerName, type Template, templates } from "@kd/data";
import type { OpenSource } from "@kd/data/node";
import type { LoraConfig } from "@kd/slm";
import type { Divergence } from "@kd/tensor-core";

export type StageName = "pt" | "dpt" | "sft" | "dft";

/** A template by its name in @kd/data, or written out: its fields in snake case. */
type TemplateConfig =
  | keyof typeof templates
  | {
      readonly system: string;
      readonly user: string;
      readonly assistant: string;
      readonly before_answer: string;
      readonly after_answer: string;
      readonly drop_question: boolean;
    };

/** Data with a folder or a weight of its own. */
export interface DataSource {
  readonly path: string;
  /** @defaultValue the stage's */
  readonly image_folder?: string | undefined;
  /** @defaultValue the stage's */
  readonly index_folder?: string | undefined;
  /** How often a pass sees each record: 3, three times; 0.5, half of them, other halves in other passes. @defaultValue 1 */
  readonly weight?: number | undefined;
}

/** What one stage needs; given for all stages, or for one under its name, which wins. */
export interface StageConfig {
  /** LLaVA's JSON of any size, JSON lines, Parquet, a folder of Parquet files or of pictures and captions; several are mixed. */
  readonly data_path: string | readonly (string | DataSource)[];
  /** Where its pictures are. @defaultValue null: beside the data */
  readonly image_folder: string | null;
  /** Where indices and unpacked files go. @defaultValue null: beside the data */
  readonly index_folder: string | null;
  /** Order of a pass. @defaultValue "shuffle" */
  readonly sampler: SamplerName;
  /** A record or picture that cannot be read stops the run, or is left out and named. @defaultValue "stop" */
  readonly on_bad_record: "stop" | "skip";
  /** Threads that read ahead. @defaultValue null: one less than cores */
  readonly workers: number | null;
  /** @defaultValue "pretrain" for pt and dpt, "qwen2_base" for sft and dft, as the release */
  readonly template: TemplateConfig;
  /** @defaultValue 1 */
  readonly epochs: number;
  /** Instead of epochs. @defaultValue null */
  readonly max_steps: number | null;
  /** Records a step. @defaultValue 256 for pt and dpt, 128 for sft and dft, the paper's */
  readonly batch_size: number;
  /** Records at a time, the largest divisor of `batch_size` up to it: memory, not results (but which records are grouped by length). @defaultValue 8 */
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
  /** Of MDist, by its kind or with its parameter. @defaultValue "forwardKl", the paper's */
  readonly divergence: Exclude<Divergence["kind"], "jsd" | `skewed${string}`> | Divergence;
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

/** A run without its stages' options. */
export interface RunKeys {
  /** Folder of the large model; dpt and dft need one. @defaultValue null */
  readonly teacher: string | null;
  /** What its weights are kept in. @defaultValue "bf16" */
  readonly teacher_dtype: "bf16" | "fp16" | "float32";
  /** Folder of the small model, or what it is made of. */
  readonly student: string | StudentParts;
  /** Low-rank adapters on the student's language model, trained in its place by sft and dft. @defaultValue null: all of its weights */
  readonly lora: LoraConfig | null;
  readonly output_dir: string;
  /** Folder of features and of the teacher's rows, which `kd cache` fills and a run adds to; for any number of runs. @defaultValue null: nothing is kept */
  readonly cache: string | null;
  /** @defaultValue dpt, sft, dft */
  readonly stages: readonly StageName[];
  /** Weights of the distilling terms and the form of RDist. @defaultValue "paper" */
  readonly preset: "paper" | "release";
  /** Of the new projector and the order of records. @defaultValue 1234, the release's */
  readonly seed: number;
  /** Records that the student is measured on as it trains and asked at the end, in any form of `data_path`. @defaultValue null: some that it trains on */
  readonly eval_data_path: string | null;
  /** Where their pictures are. @defaultValue null: beside the data, or the last stage's where these are its records */
  readonly eval_image_folder: string | null;
  /** How many, evenly spread; 0 leaves all of it out. @defaultValue 64 */
  readonly eval_samples: number;
}

/** A run, all of it known; as JSON it is a configuration that gives the same run. */
export type RunConfig = RunKeys & { readonly [name in StageName]?: StageConfig };

/** Keys whose values are folders of models, or ids of the hub. */
export const MODEL_KEYS: readonly string[] = ["teacher", "student", "language_model", "vision_tower"];
/** Keys whose values are paths. */
export const PATH_KEYS: readonly string[] = [
  ...MODEL_KEYS,
  "output_dir",
  "cache",
  "data_path",
  "image_folder",
  "index_folder",
  "eval_data_path",
  "eval_image_folder",
  "path",
];

/** A stage's sources, each with its folders. */
export function sourcesOf({ data_path, image_folder, index_folder }: StageConfig): DataSource[] {
  const listed = typeof data_path === "string" ? [data_path] : data_path;
  const shared = {
    ...(image_folder === null ? {} : { image_folder }),
    ...(index_folder === null ? {} : { index_folder }),
  };
  return listed.map((source) => (typeof source === "string" ? { path: source, ...shared } : { ...shared, ...source }));
}

/** A source's folders as @kd/data takes them. */
export function foldersOf({ image_folder, index_folder }: DataSource): Pick<OpenSource, "imageFolder" | "indexFolder"> {
  return {
    ...(image_folder === undefined ? {} : { imageFolder: image_folder }),
    ...(index_folder === undefined ? {} : { indexFolder: index_folder }),
  };
}

/** A stage's divergence as the losses take it. */
export function divergenceOf({ divergence }: StageConfig): Divergence {
  return typeof divergence === "string" ? { kind: divergence } : divergence;
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
