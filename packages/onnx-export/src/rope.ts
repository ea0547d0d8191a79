import { type GraphBuilder, TYPES } from "./graph.ts";
import type { RopeScaling } from "./text-config.ts";

/** What the rotary angles come from. */
export interface RopeConfig {
  readonly headDim: number;
  readonly theta: number;
  readonly scaling: RopeScaling | undefined;
}

/** Radians a position turns each pair by, `[headDim / 2]`, as Hugging Face's `ROPE_INIT_FUNCTIONS` give them. */
export function inverseFrequencies({ headDim, theta, scaling }: RopeConfig): number[] {
  const plain = Array.from({ length: headDim / 2 }, (_, i) => theta ** ((-2 * i) / headDim));
  if (scaling === undefined) return plain;
  if (scaling.rope_type === "linear") return plain.map((frequency) => frequency / scaling.factor);
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: context } = scaling;
  return plain.map((frequency) => {
    const turns = (context * frequency) / (2 * Math.PI); // of this pair in the context that the model was first trained with
    const share = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return (1 - share) * (frequency / factor) + share * frequency;
  });
}

/** cos and sin of every position's angles, `[B, 1, T, headDim]` each, from `position_ids [B, T]`. */
export function ropeTables(g: GraphBuilder, positions: string, config: RopeConfig): { cos: string; sin: string } {
  const frequencies = inverseFrequencies(config);
  const at = g.node("Unsqueeze", [g.node("Cast", [positions], { to: TYPES.float }), g.ints([1, 3])]);
  const angles = g.node("Mul", [at, g.floats([...frequencies, ...frequencies])]);
  return { cos: g.node("Cos", [angles]), sin: g.node("Sin", [angles]) };
}

/** Turns the two halves of `[B, H, T, headDim]` against each other. */
export function rope(g: GraphBuilder, x: string, { cos, sin }: { readonly cos: string; readonly sin: string }): string {
  const [first, second] = g.nodes("Split", [x], 2, { axis: -1 }) as [string, string];
  const turned = g.node("Concat", [g.node("Neg", [second]), first], { axis: -1 });
  return g.node("Add", [g.node("Mul", [x, cos]), g.node("Mul", [turned, sin])]);
}
