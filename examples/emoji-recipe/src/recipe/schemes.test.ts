import { stages } from "@kd/stages";
import { expect, it } from "vitest";
import {
  ALL_SCHEMES,
  CONTROL,
  chainOf,
  equalCpuChain,
  FULL_BUDGET,
  groupByFirstStage,
  lastPrefix,
  STUDENT,
} from "./schemes.ts";

const chains = ALL_SCHEMES.map((scheme) => chainOf(scheme, FULL_BUDGET));

it("control and student take equal passes over the data", () => {
  const [control, student] = [chainOf(CONTROL, FULL_BUDGET), chainOf(STUDENT, FULL_BUDGET)];
  expect(control.stages.map(({ steps }) => steps)).toEqual(student.stages.map(({ steps }) => steps));
  expect(control.stages.some(({ stage }) => stages[stage].distills)).toBe(false);
});

it("a stage's folder is the chain that led to it, so that chains share their beginnings", () => {
  expect(chainOf("DPT-SFT-DFT", FULL_BUDGET).stages.map(({ prefix }) => prefix)).toEqual([
    "dpt",
    "dpt-sft",
    "dpt-sft-dft",
  ]);
  expect(groupByFirstStage(chains).map((group) => group.length)).toEqual([3, 3]);
  expect(new Set([...chains, equalCpuChain(FULL_BUDGET, 900)].map(lastPrefix)).size).toBe(7);
});
