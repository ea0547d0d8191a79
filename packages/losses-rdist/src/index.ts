export { type RdistForm, type RdistOptions, rdist } from "./rdist.ts";
export { type RelationForm, type SelfCorrelationsOptions, selfCorrelations } from "./self-correlations.ts";
