import { savedEnvironment } from "@kd/runs/node";
import { type BackendDescription, type BackendOptions, useBackend } from "@kd/tensor-core";

/**
 * Starts the engine, product and threads that the first of these runs to have a checkpoint was trained with, so that it goes on to the last bit;
 * without one, or where they do not start here, what is wanted: the run then says that bits may differ.
 */
export async function useRunBackend(folders: readonly string[], wanted: BackendOptions): Promise<BackendDescription> {
  for (const folder of folders) {
    const saved = await savedEnvironment(folder);
    if (saved === undefined) continue;
    const { engine, products, threads } = saved;
    const [library = ""] = String(products).split(" ");
    const blas = library === "wasm" || library === "engine" ? false : library;
    return useBackend({ engine, blas, threads } as BackendOptions).catch(() => useBackend(wanted));
  }
  return useBackend(wanted);
}
