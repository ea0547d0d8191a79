import { stages } from "@kd/stages";
import { expect, it } from "vitest";
import { RELATION_FORMS, relationWeights } from "./relation-forms.ts";
import {
  ALL_SCHEMES,
  CONTROL,
  chainOf,
  equalCpuChain,
  FULL_BUDGET,
  groupByFirstStage,
  runFolder,
  STUDENT,
} from "./schemes.ts";

const chains = ALL_SCHEMES.map((scheme) => chainOf(scheme, FULL_BUDGET));

it("control and student take equal passes over the data", () => {
  const [control, student] = [chainOf(CONTROL, FULL_BUDGET), chainOf(STUDENT, FULL_BUDGET)];
  expect(control.stages.map(({ steps }) => steps)).toEqual(student.stages.map(({ steps }) => steps));
  expect(control.stages.some(({ stage }) => stages[stage].distills)).toBe(false);
});

it("a stage is called by the chain that led to it, so that chains share their beginnings", () => {
  expect(chainOf("DPT-SFT-DFT", FULL_BUDGET).stages.map(({ prefix }) => prefix)).toEqual([
    "dpt",
    "dpt-sft",
    "dpt-sft-dft",
  ]);
  expect(groupByFirstStage(chains).map((group) => group.length)).toEqual([3, 3]);
  expect(new Set([...chains, equalCpuChain(FULL_BUDGET, 900)].map((chain) => runFolder("", chain))).size).toBe(7);
});

it("other weights go to the stages that distil, and the folders keep their names", () => {
  const weights = relationWeights("double-centred", 5, { kl: false });
  expect(weights).toEqual({ alpha: 0, beta: 0, gamma: 5, rdist: { centre: "both" } });
  const [plain, other] = [chainOf(STUDENT, FULL_BUDGET), chainOf(STUDENT, FULL_BUDGET, weights)];
  expect(other.stages.map((stage) => stage.weights)).toEqual([weights, undefined, weights]);
  expect(other.stages.map(({ prefix }) => prefix)).toEqual(plain.stages.map(({ prefix }) => prefix));
  expect(chainOf(CONTROL, FULL_BUDGET, weights)).toEqual(chainOf(CONTROL, FULL_BUDGET));
  expect(relationWeights("raw", 0.5, { kl: true })).toEqual({
    alpha: 1,
    beta: 1,
    gamma: 0.5,
    rdist: RELATION_FORMS.raw,
  });
});
