import { KdError } from "@kd/contract";
import { gemmNames, whyNoGemm } from "#node";
import type { Tried } from "../backend/description.ts";

/**
 * Libraries that can be loaded here, best first, or the one asked for; the others go to `tried`.
 *
 * @throws KdError `KD_BACKEND` when the one asked for cannot be loaded.
 */
export function gemmCandidates(blas: string | false | undefined, tried: Tried[]): readonly string[] {
  if (blas === false) return [];
  if (blas === undefined)
    return gemmNames().filter((name) => {
      const reason = whyNoGemm(name);
      if (reason !== undefined) tried.push({ name, reason });
      return reason === undefined;
    });
  const reason = whyNoGemm(blas);
  if (reason === undefined) return [blas];
  throw new KdError(
    "KD_BACKEND",
    `useBackend: expected blas "${blas}" to multiply matrices, got: ${reason}; give another path, or blas: false`,
  );
}
