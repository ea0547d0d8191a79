import { expect, it, vi } from "vitest";
import { useBackend } from "../index.ts";

it("leaves none of the error listeners that starting wasm adds", async () => {
  const on = vi.spyOn(process, "on");
  const listeners = (): unknown[] => [
    ...process.listeners("uncaughtException"),
    ...process.listeners("unhandledRejection"),
  ];
  const before = listeners();
  await useBackend({ engine: "wasm", blas: false });
  expect(on.mock.calls.map(([event]) => event)).toContain("unhandledRejection"); // they are still added
  expect(listeners()).toEqual(before);
});
