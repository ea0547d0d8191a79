import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../test/engines.ts";
import {
  add,
  customGrad,
  gelu,
  grad,
  grads,
  linear,
  memory,
  sum,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
} from "./index.ts";

describe.each(syncEngines)("what a backward pass has used is freed at once on %s", (engine) => {
  beforeAll(() => useBackend({ engine, blas: false }));
  const x = (): Tensor => tensor(new Float32Array(1000).fill(0.5), [10, 100]);

  /** Bytes in use while the first of `depth` operations runs backward, which is when the most has been used up. */
  function bytesAtTheEnd(depth: number): number {
    let bytes = 0;
    const probe = customGrad((input) => ({
      value: (input as Tensor).clone(),
      gradFunc: (dy: Tensor) => {
        bytes = memory().numBytes;
        return dy;
      },
    }));
    tidy(() => {
      grad((input: Tensor) => {
        let y = probe(input) as Tensor;
        for (let i = 0; i < depth; i++) y = gelu(y);
        return sum(y);
      })(x());
    });
    return bytes;
  }

  it("activations and gradients of a deep chain", () => {
    const [shallow, deep] = [bytesAtTheEnd(2), bytesAtTheEnd(20)];
    expect(deep - shallow).toBeLessThan(18 * 4000); // 18 more activations of 4,000 bytes, none of which is left
  });

  it("but not a gradient that is another's, too", () => {
    const twice = customGrad((a, b) => ({ value: add(a as Tensor, b as Tensor), gradFunc: (dy: Tensor) => [dy, dy] }));
    const [a, b] = [x(), x()];
    const want = [...(grad((t: Tensor) => sum(gelu(t)))(x()).dataSync() as Float32Array)];
    const got = grads((s, t) => sum(twice(gelu(s as Tensor), gelu(t as Tensor))))([a, b]);
    for (const gradient of got) expect([...gradient.dataSync()]).toEqual(want);
  });

  it("nor the gradient that the caller gave", () => {
    const dy = tensor([[1, 2]]);
    const weight = tensor([
      [1, 0],
      [0, 1],
    ]) as Tensor2D;
    const dx = grad((t: Tensor) => linear(t, weight))(tensor([[3, 4]]), dy);
    expect([...dx.dataSync()]).toEqual([1, 2]);
    expect([...dy.dataSync()]).toEqual([1, 2]);
  });
});
