import { beforeAll, describe, expect, it } from "vitest";
import { engines, valuesOf } from "../../test/engines.ts";
import {
  createRng,
  grads,
  mul,
  rmsNorm,
  sum,
  swiglu,
  type Tensor,
  type Tensor1D,
  tensor,
  useBackend,
} from "../index.ts";

describe.each(engines)("operations at their ends on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("give SwiGLU and its gradient from one end of float32's exponentials to the other", async () => {
    const gate = Float32Array.from({ length: 4003 }, (_, i) => (i - 2001) / 20);
    gate.set([-1e4, 1e4, -1e30, 1e30, -0, 0]);
    const [x, up] = [tensor(gate), tensor(Float32Array.from(gate, () => 3))];
    const y = await valuesOf(() => swiglu(x, up));
    const [dGate, dUp] = grads((a, b) => sum(swiglu(a as Tensor, b as Tensor)))([x, up]) as [Tensor, Tensor];
    const [slopes, silus] = [await valuesOf(dGate), await valuesOf(dUp)];
    for (const [i, a] of gate.entries()) {
      const s = 1 / (1 + Math.exp(-a));
      const near = 1e-6 + 2e-6 * Math.abs(a * s);
      expect(Math.abs((silus[i] as number) - a * s), `silu(${a})`).toBeLessThanOrEqual(near);
      expect(Math.abs((y[i] as number) - 3 * a * s), `swiglu(${a}, 3)`).toBeLessThanOrEqual(3 * near);
      const slope = Math.abs(a) > 1e3 ? s : s * (1 + a * (1 - s));
      expect(Math.abs((slopes[i] as number) - 3 * slope), `slope at ${a}`).toBeLessThanOrEqual(5e-5);
    }
    for (const t of [x, up, dGate, dUp]) t.dispose();
  });

  it.runIf(engine === "tensorflow")("give RMSNorm's gradients over so many rows that threads share them", async () => {
    const [rows, width] = [4100, 1030];
    const rng = createRng(11);
    const make = (size: number) => Float32Array.from({ length: size }, () => rng.normal());
    const [xs, ds, ws] = [make(rows * width), make(rows * width), make(width)];
    const [x, w, dy] = [tensor(xs, [rows, width]), tensor(ws), tensor(ds, [rows, width])];
    const loss = (a: Tensor, b: Tensor) => sum(mul(rmsNorm(a, b as Tensor1D), dy));
    const [dx, dw] = grads(loss as never)([x, w]) as [Tensor, Tensor];
    const [gx, gw] = [await valuesOf(dx), await valuesOf(dw)];
    const expected = new Float64Array(width);
    let worst = 0;
    for (let row = 0; row < rows; row++) {
      const at = (values: Float32Array, j: number) => values[row * width + j] as number;
      let [squares, dot] = [0, 0];
      for (let j = 0; j < width; j++) squares += at(xs, j) ** 2;
      const r = 1 / Math.sqrt(squares / width + 1e-6);
      for (let j = 0; j < width; j++) {
        const both = at(ds, j) * at(xs, j) * r;
        expected[j] = (expected[j] as number) + both;
        dot += (both * (ws[j] as number)) / width;
      }
      for (let j = 0; j < width; j++) {
        const own = r * (at(ds, j) * (ws[j] as number) - at(xs, j) * r * dot);
        worst = Math.max(worst, Math.abs(at(gx, j) - own));
      }
    }
    expect(worst).toBeLessThan(2e-5);
    for (const [j, value] of gw.entries()) expect(Math.abs(value - (expected[j] as number))).toBeLessThan(2e-3); // of sums near 64
    for (const t of [x, w, dy, dx, dw]) t.dispose();
  });
});
