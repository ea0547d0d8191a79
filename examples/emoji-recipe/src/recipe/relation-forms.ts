import { type DistillWeights, presets } from "@kd/stages";

/** RDist's forms under the names of the command line. */
export const RELATION_FORMS: Readonly<Record<string, DistillWeights["rdist"]>> = {
  raw: {},
  normalised: { unitRows: true },
  centred: { centre: "tokens" },
  "centred-normalised": { centre: "tokens", unitRows: true },
  "double-centred": { centre: "both" },
  hidden: { over: "hidden" },
  "hidden-centred": { over: "hidden", centre: "tokens" },
};

/** The paper's weights with another relation; `kl: false` leaves it the only term beside the cross-entropy. */
export function relationWeights(form: string, gamma: number, { kl }: { readonly kl: boolean }): DistillWeights {
  return { ...(kl ? presets.paper : { alpha: 0, beta: 0 }), gamma, rdist: RELATION_FORMS[form] ?? {} };
}
