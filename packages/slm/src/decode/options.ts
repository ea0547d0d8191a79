import { KdError } from "@kd/contract";

/** How the next ids are chosen, and when that ends. */
export interface DecodingOptions {
  /** At most so many ids a row. */
  readonly maxNewTokens: number;
  /** A row ends before one of these. @defaultValue none */
  readonly eosTokenIds?: number | readonly number[];
  /** Of the softmax that ids are drawn from; 0 takes the most probable id, as LLaVA's evaluation does. @defaultValue 0 */
  readonly temperature?: number;
  /** Draw from so many ids at most. @defaultValue all */
  readonly topK?: number;
  /** Draw from the most probable ids that together have this probability. @defaultValue 1 */
  readonly topP?: number;
  /** Divides the positive logits of ids in the prompt and in the answer so far, and multiplies negative ones (arXiv 1909.05858). @defaultValue 1 */
  readonly repetitionPenalty?: number;
  /** Of what is drawn; each row has a stream of its own. @defaultValue 0 */
  readonly seed?: number;
  /** Whether a row ends after its latest id, for example at a stop string (`stopAt` of `@kd/data`). */
  readonly stopWhen?: (ids: readonly number[], row: number) => boolean;
}

/** @throws KdError `KD_CONFIG` naming the option that cannot be. */
export function assertDecoding(options: DecodingOptions): void {
  const { maxNewTokens, temperature = 0, topK = 1, topP = 1, repetitionPenalty = 1, seed = 0 } = options;
  const check = (name: string, value: number, fits: boolean, expected: string): void => {
    if (!fits) throw new KdError("KD_CONFIG", `generate: ${name} must be ${expected}, got ${value}`);
  };
  check("maxNewTokens", maxNewTokens, Number.isInteger(maxNewTokens) && maxNewTokens >= 0, "a whole number");
  check(
    "temperature",
    temperature,
    temperature >= 0 && temperature < Number.POSITIVE_INFINITY,
    "0 or a number above it",
  );
  check("topK", topK, Number.isInteger(topK) && topK >= 1, "a whole number above 0");
  check("topP", topP, topP > 0 && topP <= 1, "above 0 and at most 1");
  check(
    "repetitionPenalty",
    repetitionPenalty,
    repetitionPenalty > 0 && repetitionPenalty < Number.POSITIVE_INFINITY,
    "above 0",
  );
  check("seed", seed, Number.isInteger(seed), "a whole number");
}
