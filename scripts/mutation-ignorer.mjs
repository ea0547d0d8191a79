// Code that only another engine runs has no mutants: on cpu there are neither fused kernels nor TensorFlow's operations, and no test could see it.
//   const k = fusedKernels();
//   if (k === undefined) return …;   what follows is elsewhere's, as is `…` in `k === undefined ? x : …` and in `if (a && k) …`
const OTHER_ENGINES = ["fusedKernels", "tensorflowOps"];
const elsewhere = new WeakSet(); // syntax nodes

/** Marks nodes below `node`; `absent` names the variables that are undefined on cpu. */
function mark(node, absent) {
  if (node === null || typeof node !== "object") return;
  if (node.type === "ConditionalExpression" && isMissing(node.test, absent)) elsewhere.add(node.alternate);
  if (node.type === "IfStatement" && isPresent(node.test, absent)) elsewhere.add(node.consequent);
  const known = node.type === "BlockStatement" ? new Set(absent) : absent;
  let over = false;
  for (const child of Object.values(node).flat()) {
    if (over && node.type === "BlockStatement" && child?.type) elsewhere.add(child);
    if (child?.type === "VariableDeclaration")
      for (const { id, init } of child.declarations) if (isAbsent(init, known)) known.add(id.name);
    if (child?.type === "IfStatement" && isMissing(child.test, known) && returns(child.consequent)) over = true;
    if (typeof child?.type === "string") mark(child, known);
  }
}
const isMissing = (test, absent) =>
  test.type === "BinaryExpression" &&
  test.operator === "===" &&
  test.right.name === "undefined" &&
  absent.has(test.left.name);
const isPresent = (test, absent) =>
  absent.has(test.name) ||
  (test.type === "LogicalExpression" && test.operator === "&&" && isPresent(test.right, absent));
const isAbsent = (init, absent) =>
  init?.type === "CallExpression"
    ? OTHER_ENGINES.includes(init.callee.name)
    : init?.type === "ConditionalExpression" && (isMissing(init.test, absent) || isAbsent(init.consequent, absent));
const returns = (statement) =>
  statement.type === "ReturnStatement" || (statement.type === "BlockStatement" && returns(statement.body.at(-1)));

function shouldIgnore({ node }) {
  if (node.type === "Program") mark(node, new Set()); // before the first mutant changes the tree
  return elsewhere.has(node) ? "runs on another engine only" : undefined;
}
export const strykerPlugins = [{ kind: "Ignore", name: "other-engines", value: { shouldIgnore } }];
