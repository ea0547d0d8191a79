import { ropeFrequencies, type SlmConfig } from "@kd/slm";
import { type GraphBuilder, TYPES } from "./graph.ts";

/** cos and sin of every position's angles, `[B, 1, T, headDim]` each, from `position_ids [B, T]`. */
export function ropeTables(g: GraphBuilder, positions: string, config: SlmConfig): { cos: string; sin: string } {
  const frequencies = ropeFrequencies(config);
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
