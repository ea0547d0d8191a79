import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../test/engines.ts";
import { random } from "../test/tensors.ts";
import {
  add,
  checkpoint,
  constant,
  linear,
  memory,
  mul,
  type Operand,
  rmsNorm,
  sum,
  type Tensor,
  tidy,
  useBackend,
  type Variable,
  variable,
  variableGrads,
} from "./index.ts";

type Block = { x: Operand; norm: Operand; weight: Operand; idle: Operand };
const block = ({ x, norm, weight }: Block): Tensor =>
  add("constant" in x ? x.constant : x, linear(rmsNorm(x, norm as never), weight as never));

describe.each(syncEngines)("checkpoint on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  const make = () => ({
    x: variable(random(1, 3, 4)),
    norms: [variable(random(2, 4)), variable(random(3, 4))],
    weight: variable(random(4, 4, 4)), // of both blocks
    idle: variable(random(5, 2)),
    probe: random(6, 3, 4),
  });
  /** Two blocks and a stock op between them, plain or checkpointed. */
  const loss = (
    m: ReturnType<typeof make>,
    run: (operands: Block) => Tensor,
    idle: Operand = constant(m.idle),
  ): Tensor => {
    const first = run({ x: m.x, norm: m.norms[0] as Tensor, weight: m.weight, idle });
    const second = run({ x: mul(first, 2), norm: constant(m.norms[1] as Tensor), weight: m.weight, idle });
    return sum(mul(second, m.probe));
  };
  const checkpointed = (operands: Block): Tensor => checkpoint({ ...operands }, block);
  const gradients = (of: () => Tensor, variables: Variable[]) => {
    const { value, grads } = variableGrads(of as never, variables);
    const data = variables.map((v) => [...(grads[v.name] as Tensor).dataSync()]);
    value.dispose();
    for (const gradient of Object.values(grads)) gradient.dispose();
    return data;
  };

  it("gives the plain block's gradients to input and parameters, and none to constants", () => {
    const m = make();
    const variables = [m.x, m.norms[0] as Variable, m.weight];
    const before = memory().numTensors;
    const plain = gradients(() => loss(m, block), variables);
    expect(gradients(() => loss(m, checkpointed), variables)).toEqual(plain);
    expect(memory().numTensors).toBe(before);
    const frozen = m.norms[1] as Variable;
    expect(() => gradients(() => loss(m, checkpointed), [frozen])).toThrow(/Cannot find a connection/);
  });

  it("gives an operand that the block does not read the gradient zero", () => {
    const m = make();
    expect(gradients(() => loss(m, checkpointed, m.idle), [m.idle])).toEqual([[0, 0]]);
  });

  it("nests", () => {
    const m = make();
    const variables = [m.x, m.norms[0] as Variable, m.weight];
    const outer = (operands: Block) => checkpoint({ ...operands }, checkpointed);
    const before = memory().numTensors;
    expect(gradients(() => loss(m, outer), variables)).toEqual(gradients(() => loss(m, block), variables));
    expect(memory().numTensors).toBe(before);
  });

  it("reads its operands as they were, though the caller's are freed before backward", () => {
    const m = make();
    const freed = () =>
      tidy(() =>
        sum(
          checkpoint({ x: mul(m.x, 1), table: constant(mul(m.probe, 1)) }, ({ x, table }) =>
            mul(x as Tensor, (table as { constant: Tensor }).constant),
          ),
        ),
      );
    expect(gradients(freed, [m.x])).toEqual([[...m.probe.dataSync()]]);
  });

  it("keeps its operands for backward, not what happens inside", () => {
    const m = make();
    const kept = (run: (operands: Block) => Tensor): number => {
      let count = 0;
      const { value, grads } = variableGrads(() => {
        const before = memory().numTensors;
        const result = tidy(() =>
          sum(run({ x: m.x, norm: constant(m.norms[0] as Tensor), weight: m.weight, idle: constant(m.idle) })),
        );
        count = memory().numTensors - before;
        return result as never;
      });
      value.dispose();
      for (const gradient of Object.values(grads)) gradient.dispose();
      return count;
    };
    const wide = (operands: Block) => block({ ...operands, x: block({ ...operands, x: block(operands) }) });
    expect(kept((operands) => checkpoint({ ...operands }, wide))).toBe(kept(checkpointed));
    expect(kept(wide)).toBeGreaterThan(kept(checkpointed));
  });

  it("without a gradient runs the block once and frees everything but its result", () => {
    const m = make();
    let calls = 0;
    const before = memory().numTensors;
    checkpoint({ x: m.x, norm: m.norms[0] as Tensor, weight: m.weight, idle: m.idle }, (operands) => {
      calls++;
      return block(operands);
    }).dispose();
    expect([calls, memory().numTensors]).toEqual([1, before]);
  });
});
