import { fusedKernels } from "../kernels/fused-kernels.ts";
import { differentiable, type Operand } from "../operand.ts";
import { add, clipByValue, erf, exp, mul, sigmoid, square, sub, type Tensor, tanh, tidy } from "../ops.ts";

/** `none` = exact (erf), `tanh` = SigLIP's `gelu_pytorch_tanh`, `quick` = CLIP's `x · sigmoid(1.702 x)`. */
export type GeluApproximation = "none" | "tanh" | "quick";

const KINDS: Readonly<Record<GeluApproximation, number>> = { none: 0, tanh: 1, quick: 2 };

/**
 * Gaussian error linear unit, as `torch.nn.functional.gelu`.
 *
 * @param options.approximate "none" as in PyTorch
 */
export function gelu(x: Operand, { approximate = "none" }: { readonly approximate?: GeluApproximation } = {}): Tensor {
  return differentiable({ x }, (t) => {
    const k = fusedKernels();
    if (k === undefined)
      return {
        value: tidy(() => PORTABLE[approximate].value(t.x)),
        backward: (dy: Tensor) => ({ x: tidy(() => mul(dy, PORTABLE[approximate].slope(t.x))) }),
      };
    const kind = KINDS[approximate];
    const value = k.output(t.x.shape);
    k.run("geluFwd", [k.address(t.x), k.address(value), kind], value.size, { work: 4 * value.size, grain: 16 });
    const backward = (dy: Tensor) => {
      const gradient = k.output(t.x.shape);
      k.run("geluBwd", [k.address(dy), k.address(t.x), k.address(gradient), kind], dy.size, {
        work: 4 * dy.size,
        grain: 16,
      });
      return { x: gradient };
    };
    return { value, backward };
  });
}

const CUBIC = 0.044715;
const ROOT = Math.sqrt(2 / Math.PI);
const inner = (x: Tensor): Tensor => tanh(mul(ROOT, mul(x, add(1, mul(CUBIC, square(x))))));
const normalCdf = (x: Tensor): Tensor => mul(0.5, add(1, erf(mul(x, Math.SQRT1_2))));

const PORTABLE: Readonly<Record<GeluApproximation, { value: (x: Tensor) => Tensor; slope: (x: Tensor) => Tensor }>> = {
  none: {
    value: (x) => mul(x, normalCdf(x)),
    slope: (x) => add(normalCdf(x), mul(mul(x, 1 / Math.sqrt(2 * Math.PI)), exp(mul(-0.5, square(x))))),
  },
  tanh: {
    value: (x) => mul(mul(0.5, x), add(1, inner(x))),
    slope: (huge) => {
      const x = clipByValue(huge, -20, 20); // it is 0 or 1 from there on, and x² stays finite
      const t = inner(x);
      const rise = mul(ROOT, add(1, mul(3 * CUBIC, square(x))));
      return mul(0.5, add(add(1, t), mul(x, mul(sub(1, square(t)), rise))));
    },
  },
  quick: {
    value: (x) => mul(x, sigmoid(mul(1.702, x))),
    slope: (x) => {
      const s = sigmoid(mul(1.702, x));
      return add(s, mul(x, mul(1.702, mul(s, sub(1, s))))); // 1.702 · x may be infinite
    },
  },
};
