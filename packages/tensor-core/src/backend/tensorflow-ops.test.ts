import { beforeAll, describe, expect, it } from "vitest";
import { engines, numberOf } from "../../test/engines.ts";
import { describeBackend, engine, memory, tensor, useBackend } from "../index.ts";
import { type Handle, type NodeBinding, type TensorflowOps, tensorflowOps } from "./tensorflow-ops.ts";

describe.runIf(engines.includes("tensorflow"))("TensorFlow's operations", () => {
  let ops: TensorflowOps;
  beforeAll(async () => {
    await useBackend({ engine: "tensorflow", threads: 1 });
    ops = tensorflowOps() as TensorflowOps;
  });
  const isFreed = ({ id }: Handle): boolean => {
    try {
      (engine().backend as unknown as { binding: NodeBinding }).binding.deleteTensor(id);
      return false;
    } catch {
      return true;
    }
  };

  it("keep the threads that TensorFlow was first started with", async () => {
    expect(describeBackend().threads).toBe(1);
    expect(process.env.TF_NUM_INTRAOP_THREADS).toBeUndefined();
    const again = await useBackend({ engine: "tensorflow", threads: 3 });
    expect(again).toMatchObject({
      threads: 1,
      tried: [{ name: "threads", reason: expect.stringContaining("the 1 ") }],
    });
  });

  it("have our own beside them, unless they are left out", () => {
    const { isUsingGpuDevice } = engine().backend as unknown as { isUsingGpuDevice: boolean };
    expect(ops.kernel !== undefined).toBe(process.env.KD_TENSORFLOW_KERNELS !== "off" && !isUsingGpuDevice);
  });

  it("give tensors of what is returned and free the rest", async () => {
    const made: Handle[] = [];
    const before = memory().numTensors;
    const [root] = ops.compute(() => {
      made.push(ops.op("AddV2", [7, 2]));
      return [ops.op("Sqrt", made)];
    });
    expect(await numberOf(root as never)).toBe(3);
    expect(memory().numTensors).toBe(before + 1);
    expect(made.map(isFreed)).toEqual([true]);
    root?.dispose();
  });

  it("free everything when one of them fails", () => {
    const made: Handle[] = [];
    const [two, three] = [tensor([1, 2]), tensor([1, 2, 3])];
    const wrong = () => {
      made.push(ops.op("Neg", [two]));
      return [ops.op("AddV2", [...made, three])];
    };
    expect(() => ops.compute(wrong)).toThrow(/[Ii]ncompatible shapes/);
    expect(made.map(isFreed)).toEqual([true]);
  });

  it("keep the latest of a name until another key is asked for", () => {
    const made: Handle[] = [];
    const ask = (key: number) => {
      const make = () => {
        made.push(ops.op("AddV2", [key, 0]));
        return made.at(-1) as Handle;
      };
      ops.compute(() => [ops.op("Neg", [ops.latest("test", [key], make)])])[0]?.dispose();
    };
    for (const key of [1, 1, 2, 2]) ask(key);
    expect(made).toHaveLength(2);
    expect(isFreed(made[0] as Handle)).toBe(true);
  });

  it("take more constants than are kept", async () => {
    const [sum] = ops.compute(() => {
      let total = ops.op("AddV2", [0, 0]);
      for (let i = 1; i <= 1500; i++) {
        ops.compute(() => []);
        total = ops.op("AddV2", [total, i]);
      }
      return [total];
    });
    expect(await numberOf(sum as never)).toBe((1500 * 1501) / 2);
  });
});
