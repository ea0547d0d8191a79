import { type RopeTables, tensor2d } from "@kd/tensor-core";
import { z } from "zod";
import type { SlmConfig } from "./config.ts";

/** How rotary angles are stretched for longer sequences; transformers' `rope_scaling`. */
export type RopeScaling =
  | { readonly rope_type: "linear"; readonly factor: number }
  | {
      readonly rope_type: "llama3";
      readonly factor: number;
      readonly low_freq_factor: number;
      readonly high_freq_factor: number;
      readonly original_max_position_embeddings: number;
    };

const factor = z.number().positive();
const scalingSchema: z.ZodType<RopeScaling> = z.discriminatedUnion("rope_type", [
  z.object({ rope_type: z.literal("linear"), factor }),
  z
    .object({
      rope_type: z.literal("llama3"),
      factor,
      low_freq_factor: z.number().positive(),
      high_freq_factor: z.number().positive(),
      original_max_position_embeddings: z.int().positive(),
    })
    .refine((s) => s.high_freq_factor > s.low_freq_factor, {
      error: "high_freq_factor must be above low_freq_factor",
      path: ["high_freq_factor"],
    }),
]);
const thetaSchema = z.object({ rope_theta: z.number().positive().optional() });

interface RopeFields {
  readonly rope_theta?: number | null | undefined;
  readonly rope_scaling?: unknown;
  readonly rope_parameters?: unknown;
}

/** The two fields of a configuration that writes `rope_scaling` (with `type` or `rope_type`) or, as transformers 5, `rope_parameters`. */
export function ropeOf(
  file: RopeFields,
  refuse: (path: string, message: string) => void,
): Pick<SlmConfig, "rope_theta" | "rope_scaling"> {
  const key = file.rope_parameters == null ? "rope_scaling" : "rope_parameters";
  const given = file[key] as (Record<string, unknown> & { type?: unknown; rope_type?: unknown }) | null | undefined;
  const theta = thetaSchema.safeParse(given ?? {});
  const rope_theta = theta.data?.rope_theta ?? file.rope_theta ?? 10000;
  if (!theta.success) refuse(key, "expected an object with a positive rope_theta");
  const rope_type = given?.type ?? given?.rope_type ?? "default"; // transformers, too, reads the older key first
  if (given == null || !theta.success || rope_type === "default") return { rope_theta, rope_scaling: null };
  const scaling = scalingSchema.safeParse({ ...given, rope_type });
  if (scaling.success) return { rope_theta, rope_scaling: scaling.data };
  const known = rope_type === "linear" || rope_type === "llama3";
  refuse(
    key,
    known
      ? z.prettifyError(scaling.error)
      : `expected type default, linear or llama3, got ${JSON.stringify(rope_type)}`,
  );
  return { rope_theta, rope_scaling: null };
}

/** Angle a position, one for each half dimension, in float64. */
export function ropeFrequencies({ head_dim, rope_theta, rope_scaling: s }: SlmConfig): number[] {
  const plain = Array.from({ length: head_dim / 2 }, (_, i) => rope_theta ** (-(2 * i) / head_dim));
  if (s === null) return plain;
  if (s.rope_type === "linear") return plain.map((frequency) => frequency / s.factor);
  return plain.map((frequency) => {
    const turns = (s.original_max_position_embeddings * frequency) / (2 * Math.PI);
    const share = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor); // of the plain angle
    const kept = Math.min(1, Math.max(0, share));
    return (1 - kept) * (frequency / s.factor) + kept * frequency;
  });
}

/** Cosines and sines of positions, `[positions, head_dim]`, the caller's to dispose. */
export function ropeTablesOf(config: SlmConfig, positions: Int32Array): RopeTables {
  const frequencies = ropeFrequencies(config);
  const [width, half] = [config.head_dim, config.head_dim / 2];
  const [cos, sin] = [new Float32Array(positions.length * width), new Float32Array(positions.length * width)];
  for (const [row, position] of positions.entries())
    for (const [i, frequency] of frequencies.entries())
      for (const at of [row * width + i, row * width + half + i]) {
        cos[at] = Math.cos(position * frequency);
        sin[at] = Math.sin(position * frequency);
      }
  const shape: [number, number] = [positions.length, width];
  return { cos: tensor2d(cos, shape), sin: tensor2d(sin, shape) };
}
