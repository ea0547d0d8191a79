// One process of the recipe: trains a group of chains for one seed. Its job comes as JSON in the first argument.
import { join } from "node:path";
import { main } from "../train/main.ts";
import { useRunBackend } from "../train/use-run-backend.ts";
import { blindFloor } from "./floors.ts";
import { openMaterials } from "./materials.ts";
import { type Budget, type Chain, runFolder } from "./schemes.ts";
import { trainChains } from "./train-chains.ts";

export interface Job {
  readonly chains: readonly Chain[];
  readonly seed: number;
  readonly folder: string;
  readonly budget: Budget;
  /** Train the blind floor as well. */
  readonly blind: boolean;
  /** `false`: the kernels' own product instead of a BLAS, `true`: the best there is. */
  readonly blas: boolean;
  /** Distil from the teacher's kept rows. */
  readonly cacheTeacher: boolean;
  /** Stage to begin again with. */
  readonly from?: string | undefined;
}

// A parent that is gone can start another run in the same folder: do not train on beside it.
process.on("disconnect", () => process.exit(1));

await main(async () => {
  const job = JSON.parse(process.argv[2] ?? "{}") as Job;
  const runs = [...job.chains.map((chain) => runFolder(job.folder, chain)), join(job.folder, "blind")];
  await useRunBackend(runs, { engine: "wasm", threads: 1, ...(job.blas ? {} : { blas: false as const }) });
  const materials = await openMaterials({ everyNth: job.budget.everyNth });
  await trainChains({ ...job, learningRate: job.budget.learningRate, materials });
  if (job.blind) await blindFloor({ folder: job.folder, budget: job.budget, materials });
});
