import { pathToFileURL } from "node:url";
import { KdError } from "@kd/contract";
import { requireFor } from "./optional.ts";

interface Dawn {
  create(flags: string[]): { requestAdapter(): Promise<object | null> };
  readonly globals: object;
}

function locate(name: string): string {
  const require = requireFor(name);
  if (require !== undefined) return pathToFileURL(require.resolve(name)).href;
  throw new KdError(
    "KD_BACKEND",
    `useBackend: expected the package ${name} for engine "webgpu", got none; npm install ${name} or use "wasm"`,
  );
}

/** Registers tfjs's engine "webgpu", on a GPU object from the package webgpu (Dawn) where Node has none. Leaves no trace when it throws. */
export async function loadWebgpu(): Promise<void> {
  const scope = globalThis as { navigator?: { gpu?: unknown } };
  const backend = locate("@tensorflow/tfjs-backend-webgpu");
  if (scope.navigator?.gpu === undefined) {
    const dawn = (await import(locate("webgpu"))) as Dawn;
    const gpu = dawn.create([]);
    if ((await gpu.requestAdapter()) === null)
      throw new KdError(
        "KD_BACKEND",
        'useBackend: expected a GPU that WebGPU can use, got none from the package webgpu; install its Vulkan driver (in software: SwiftShader, with VK_DRIVER_FILES naming its .json) or use "wasm"',
      );
    Object.assign(globalThis, dawn.globals);
    if (scope.navigator === undefined)
      Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
    Object.defineProperty(scope.navigator, "gpu", { value: gpu, configurable: true });
  }
  await import(backend);
}
