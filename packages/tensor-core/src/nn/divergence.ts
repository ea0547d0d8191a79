import { KdError } from "@kd/contract";

/**
 * How far a student's distribution q is from a teacher's p, as plain data. m is a mixture of both.
 *
 * | kind | |
 * |---|---|
 * | `forwardKl` | KL(p ‖ q) |
 * | `softCrossEntropy` | −Σ p·log q: the same gradient, without the teacher's entropy in the value |
 * | `reverseKl` | KL(q ‖ p) |
 * | `symmetricKl` | ½·KL(p ‖ q) + ½·KL(q ‖ p) |
 * | `jsd` | β·KL(p ‖ m) + (1 − β)·KL(q ‖ m), m = β·p + (1 − β)·q, 0 < β < 1 |
 * | `skewedForwardKl` | KL(p ‖ α·p + (1 − α)·q), 0 ≤ α < 1 |
 * | `skewedReverseKl` | KL(q ‖ α·q + (1 − α)·p), 0 ≤ α < 1 |
 * | `totalVariation` | ½·Σ \|p − q\| |
 */
export type Divergence =
  | { readonly kind: "forwardKl" | "softCrossEntropy" | "reverseKl" | "symmetricKl" | "totalVariation" }
  | { readonly kind: "jsd"; readonly beta: number }
  | { readonly kind: "skewedForwardKl" | "skewedReverseKl"; readonly alpha: number };

/** A divergence as both bodies of the row losses compute it: `a·KL(p ‖ m) + b·KL(q ‖ m)`, m = share·p + rest·q, where the loop is one of KLs. */
export interface DivergenceForm {
  /** `pair`: a·KL(p ‖ q) + b·KL(q ‖ p). The order is the kernel's. */
  readonly loop: (typeof LOOPS)[number];
  readonly a: number;
  readonly b: number;
  readonly share: number;
  readonly rest: number;
}
export const LOOPS = ["forward", "cross", "pair", "mixture", "variation"] as const;

/** @throws KdError `KD_CONFIG` for a kind that does not exist, or a β or α out of its range. */
export function formOf(where: string, divergence: Divergence): DivergenceForm {
  const form = (loop: DivergenceForm["loop"], a = 1, b = 0, share = 0, rest = 1): DivergenceForm => ({
    loop,
    a,
    b,
    share,
    rest,
  });
  const wrong = (expected: string, got: unknown) => new KdError("KD_CONFIG", `${where}: ${expected}, got ${got}`);
  switch (divergence.kind) {
    case "forwardKl":
      return form("forward");
    case "softCrossEntropy":
      return form("cross");
    case "reverseKl":
      return form("pair", 0, 1);
    case "symmetricKl":
      return form("pair", 0.5, 0.5);
    case "totalVariation":
      return form("variation");
    case "jsd": {
      const { beta } = divergence;
      if (!(beta > 0 && beta < 1)) throw wrong("beta must be between 0 and 1 (at both ends the divergence is 0)", beta);
      return form("mixture", beta, 1 - beta, beta, 1 - beta);
    }
    case "skewedForwardKl":
    case "skewedReverseKl": {
      const { kind, alpha } = divergence;
      if (!(alpha >= 0 && alpha < 1))
        throw wrong("alpha must be at least 0 and below 1 (where the divergence is 0)", alpha);
      if (kind === "skewedForwardKl") return alpha === 0 ? form("forward") : form("mixture", 1, 0, alpha, 1 - alpha);
      return alpha === 0 ? form("pair", 0, 1) : form("mixture", 0, 1, 1 - alpha, alpha);
    }
    default:
      throw wrong("no such divergence; see Divergence", JSON.stringify(divergence));
  }
}
