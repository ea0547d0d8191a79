import { type Budget, type Chain, CONTROL, chainOf, STUDENT } from "./schemes.ts";
import { seedFolder, stageCpuSeconds } from "./summary.ts";

/** Steps of the control's last stage with which it has had as much CPU time as the student, by the times of this very run. */
export async function equalCpuSteps(folder: string, seeds: readonly number[], budget: Budget): Promise<number> {
  const [student, control] = [chainOf(STUDENT, budget), chainOf(CONTROL, budget)];
  const mean = async (chain: Chain, count: number): Promise<number> => {
    const names = chain.stages.slice(0, count).map(({ prefix }) => prefix);
    const times = seeds.flatMap((seed) => names.map((name) => stageCpuSeconds(seedFolder(folder, seed), chain, name)));
    return (await Promise.all(times)).reduce((sum, x) => sum + x, 0) / seeds.length;
  };
  const [before, all] = [await mean(control, 2), await mean(control, 3)];
  const left = (await mean(student, 3)) - before;
  return Math.max(1, Math.round((budget.third * left) / (all - before)));
}
