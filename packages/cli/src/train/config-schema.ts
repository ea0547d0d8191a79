import { templates } from "@kd/data";
import type { LoraConfig } from "@kd/slm";
import { presets, stages } from "@kd/stages";
import { z } from "zod";
import type { DataSource, RunKeys, StageConfig, StageName, StudentParts } from "./config.ts";

type Shape<T> = { readonly [key in keyof T]: z.ZodType<T[key]> };
const count = z.int().positive();
const rate = z.number().positive();
const weight = z.number().nonnegative();
export const STAGE_NAMES: readonly StageName[] = ["pt", "dpt", "sft", "dft"];

const sourceShape: Shape<Required<DataSource>> = {
  path: z.string(),
  image_folder: z.string().optional(),
  index_folder: z.string().optional(),
  weight: z.number().positive().optional(),
};
const PLAIN = ["forwardKl", "softCrossEntropy", "reverseKl", "symmetricKl", "totalVariation"] as const;
const share = z.number().min(0).lt(1);
const loraShape: Shape<LoraConfig> = {
  r: count.default(8),
  lora_alpha: rate.default(8),
  use_rslora: z.boolean().default(false),
  lora_dropout: share.default(0),
  target_modules: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).default("all-linear"),
};

export const stageShape: Shape<StageConfig> = {
  data_path: z.union([z.string(), z.array(z.union([z.string(), z.strictObject(sourceShape)])).min(1)], {
    error: "must be a path, or a list of paths and of { path, image_folder, index_folder, weight }",
  }),
  image_folder: z.string().nullable(),
  index_folder: z.string().nullable(),
  sampler: z.enum(["modality-length", "modality-length-llava", "length", "shuffle", "sequential"]),
  on_bad_record: z.enum(["stop", "skip"]),
  workers: count.nullable(),
  template: z.union(
    [
      z.enum(Object.keys(templates) as (keyof typeof templates)[]),
      z.strictObject({
        system: z.string().default(""),
        user: z.string().default(""),
        assistant: z.string(),
        before_answer: z.string().default(" "),
        after_answer: z.string(),
        drop_question: z.boolean().default(false),
      }),
    ],
    { error: `must be one of ${Object.keys(templates).join(", ")}, or an object with assistant and after_answer` },
  ),
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
  divergence: z.union(
    [
      z.enum(PLAIN),
      z.strictObject({ kind: z.enum(PLAIN) }),
      z.strictObject({ kind: z.literal("jsd"), beta: share.positive() }),
      z.strictObject({ kind: z.enum(["skewedForwardKl", "skewedReverseKl"]), alpha: share }),
    ],
    {
      error: `must be one of ${PLAIN.join(", ")}, or { "kind": "jsd", "beta" }, { "kind": "skewedForwardKl" or "skewedReverseKl", "alpha" }`,
    },
  ),
  save_steps: count,
};
export const studentShape: Shape<Required<StudentParts>> = {
  language_model: z.string(),
  vision_tower: z.string().optional(),
  vision_feature_layer: z.int().optional(),
  vision_feature_select_strategy: z.enum(["default", "full"]).optional(),
};
export const runShape: Shape<RunKeys> = {
  teacher: z.string().nullable().default(null),
  teacher_dtype: z.enum(["bf16", "fp16", "float32"]).default("bf16"),
  student: z.union([z.string(), z.object(studentShape)], {
    error: "must be a folder, or an object with language_model",
  }) as z.ZodType<string | StudentParts>,
  lora: z.strictObject(loraShape).nullable().default(null),
  output_dir: z.string(),
  cache: z.string().nullable().default(null),
  stages: z
    .array(z.enum(STAGE_NAMES as StageName[]))
    .min(1)
    .default(["dpt", "sft", "dft"]),
  preset: z.enum(["paper", "release"]).default("paper"),
  seed: z.int().nonnegative().default(1234),
  eval_data_path: z.string().nullable().default(null),
  eval_image_folder: z.string().nullable().default(null),
  eval_samples: z.int().nonnegative().default(64),
};

/** Defaults of a stage: the paper's where it gives one, else the release's scripts'. */
export function defaultsOf(name: StageName, preset: "paper" | "release"): Partial<StageConfig> {
  const pretrains = name === "pt" || name === "dpt";
  const { alpha, beta, gamma } = presets[preset];
  return {
    image_folder: null,
    index_folder: null,
    sampler: "shuffle",
    on_bad_record: "stop",
    workers: null,
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
    divergence: "forwardKl",
    save_steps: 200,
  };
}
