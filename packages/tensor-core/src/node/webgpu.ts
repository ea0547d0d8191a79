import { pathToFileURL } from "node:url";
import { KdError } from "@kd/contract";
import { requireFor } from "./optional.ts";

async function load(name: string): Promise<unknown> {
  const require = requireFor(name);
  if (require === undefined)
    throw new KdError(
      "KD_BACKEND",
      `useBackend: expected the package ${name} for engine "webgpu", got none; npm install ${name} or use "wasm"`,
    );
  return import(pathToFileURL(require.resolve(name)).href);
}

/** Registers tfjs's engine "webgpu", on a GPU object from the package webgpu (Dawn) where Node has none. */
export async function loadWebgpu(): Promise<void> {
  const scope = globalThis as { navigator?: { gpu?: unknown } };
  if (scope.navigator?.gpu === undefined) {
    const dawn = (await load("webgpu")) as { create(flags: string[]): unknown; globals: object };
    Object.assign(globalThis, dawn.globals);
    if (scope.navigator === undefined)
      Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
    Object.defineProperty(scope.navigator, "gpu", { value: dawn.create([]), configurable: true });
  }
  await load("@tensorflow/tfjs-backend-webgpu");
}
