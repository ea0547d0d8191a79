import { type Template, templates } from "@kd/data";

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

/** A run without its stages' options. */
export interface RunKeys {
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

/** Keys whose values are folders of models, or ids of the hub. */
export const MODEL_KEYS: readonly string[] = ["teacher", "student", "language_model", "vision_tower"];
/** Keys whose values are paths. */
export const PATH_KEYS: readonly string[] = [...MODEL_KEYS, "output_dir", "data_path", "image_folder"];

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
