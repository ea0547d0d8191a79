import { KdError } from "@kd/contract";
import type { StageName } from "./config.ts";

/** Names of a run's stages: the second of a kind is `sft-2`. */
export function runStageNames(kinds: readonly StageName[]): string[] {
  return kinds.map((kind, i) => {
    const before = kinds.slice(0, i).filter((other) => other === kind).length;
    return before === 0 ? kind : `${kind}-${before + 1}`;
  });
}

/** Throws `KD_CONFIG` for a stage to train again that the run has not. */
export function checkFrom(from: string | undefined, kinds: readonly StageName[]): void {
  const names = runStageNames(kinds);
  if (from === undefined || names.includes(from)) return;
  throw new KdError(
    "KD_CONFIG",
    `--from: expected a stage of this run (${names.join(", ")}), got ${JSON.stringify(from)}; choose one of them`,
  );
}
