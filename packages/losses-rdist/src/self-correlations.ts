import { KdError } from "@kd/contract";
import { type StudentRows, selectRows, spanGrams, type Tensor1D, tidy } from "@kd/tensor-core";
import { centreTokens } from "./centre-tokens.ts";
import { rowCount } from "./sides.ts";
import { assertLengths } from "./span-runs.ts";
import { unitRows as toUnitRows } from "./unit-rows.ts";

/** What is related, as data. */
export interface RelationForm {
  /**
   * What a visual token is seen as. `common-vocabulary`: its logits of the first min(V, V') ids, the paper's and for models of one tokenizer.
   * `own-vocabulary`: all its logits, whatever the other side's ids mean. `hidden`: the hidden states of factors, or dense rows of any features
   * as they are.
   * @defaultValue "common-vocabulary"
   */
  readonly over?: "common-vocabulary" | "own-vocabulary" | "hidden";
  /** `tokens`: each row minus the mean row of its span. `both`: and minus its own mean over the vocabulary (or width). @defaultValue "none" */
  readonly centre?: "none" | "tokens" | "both";
  /** Whether rows are brought to length 1, after centring: the matrix holds cosines. @defaultValue false */
  readonly unitRows?: boolean;
}

/** Options of {@link selfCorrelations}. */
export interface SelfCorrelationsOptions extends RelationForm {
  /** `[N, V]` rows, or factors `hidden [N, D]`, `head [V, D]`; gets gradients unless constant. */
  readonly from: StudentRows;
  /** Rows of each span; they add up to N. */
  readonly lengths: readonly number[];
  /** Indices of the rows to read. @defaultValue every row */
  readonly rows?: Int32Array;
}

/**
 * The matrices that {@link rdist} compares, `[Σ n²]`: each span's n×n, flattened, one after another. A teacher's may be kept by picture and
 * given to `rdist` as `{ grams }`. `common-vocabulary` reads all ids here: cut a longer head with `sliceRows` first.
 *
 * @throws KdError `KD_SHAPE` when lengths and rows disagree; `KD_CONFIG` for a form that there is not.
 */
export function selfCorrelations(options: SelfCorrelationsOptions): Tensor1D {
  const { from, lengths, rows, over = "common-vocabulary", centre = "none", unitRows = false } = options;
  oneOf("selfCorrelations", "over", over, ["common-vocabulary", "own-vocabulary", "hidden"]);
  oneOf("selfCorrelations", "centre", centre, ["none", "tokens", "both"]);
  return tidy(() => {
    const picked = rows === undefined ? from : selectRows(from, rows);
    const seen = over === "hidden" && "hidden" in picked ? picked.hidden : picked;
    assertLengths("selfCorrelations", lengths, rowCount(seen));
    const centred = centre === "none" ? seen : centreTokens(seen, lengths);
    const grams = spanGrams(centred, lengths, { centreVocabulary: centre === "both" });
    return unitRows ? toUnitRows(grams, lengths) : grams;
  });
}

/** @throws KdError `KD_CONFIG` for a value that is none of those. */
export function oneOf(where: string, name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value))
    throw new KdError("KD_CONFIG", `${where}: ${name} must be one of ${allowed.join(", ")}, got "${value}"`);
}
