import { KdError } from "@kd/contract";

/** How response rows are kept, as data. */
export type ResponseForm = "hidden" | { readonly topK: number };

/** All that decides the numbers of kept rows beside the batch. */
export interface RowForm {
  readonly identity: string;
  readonly dtype: "F16" | "F32";
  readonly response: ResponseForm;
  readonly temperature: number;
  readonly vocabulary: number;
}

/** k of LLaVA-scale vocabularies: about 390 bytes a row. */
const TOP_K = 64;

/** Top 64, or hidden states where these are smaller (and exact at any temperature): below a width of 194. */
export function defaultResponse([, width]: readonly [number, number], vocabulary: number): ResponseForm {
  const k = Math.min(TOP_K, vocabulary);
  return 2 * width <= 6 * k + 4 ? "hidden" : { topK: k };
}

/** What stands before a key: rows of another teacher or form have other keys. */
export function formNames({ identity, dtype, response, temperature, vocabulary }: RowForm): {
  readonly response: string;
  readonly visual: string;
} {
  const form = response === "hidden" ? "hidden" : `top ${response.topK} of ${vocabulary} at ${temperature}`;
  return { response: `${identity} ${dtype} response ${form}`, visual: `${identity} ${dtype} visual` };
}

/** @throws KdError `KD_CONFIG` for a k, vocabulary or temperature that cannot be. */
export function assertForm({ response, temperature, vocabulary }: RowForm, [V]: readonly [number, number]): void {
  const whole = (name: string, value: number, most: number): void => {
    if (!(Number.isInteger(value) && value >= 1 && value <= most))
      throw new KdError("KD_CONFIG", `openTeacherRows: ${name} must be a whole number from 1 to ${most}, got ${value}`);
  };
  whole("vocabulary", vocabulary, V);
  if (response !== "hidden") whole("response.topK", response.topK, vocabulary);
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY))
    throw new KdError("KD_CONFIG", `openTeacherRows: temperature must be above 0 and finite, got ${temperature}`);
}
