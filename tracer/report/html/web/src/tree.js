// A flame graph's tree: stacks that are called the same way are one node.

// build makes the tree of a metric. Nodes are numbered so that callers come first; node 0 is all.
// inverted starts with the innermost functions and has their callers below.
export function build(model, metric, { inverted = false, libraries = true, wanted = null } = {}) {
  const t = { group: [-1], parent: [-1], depth: [0], value: [0], low: [0], high: [0], growth: [0], frame: [null], children: [[]] };
  const known = new Map();
  const groups = model.groups.length || 1;
  const path = [];
  for (let i = 0; i < model.length; i++) {
    if (wanted && !wanted(i)) continue;
    const v = metric.of(i);
    if (!(v.value > 0)) continue;
    const growth = Math.max(model.leak(i).value, 0);
    path.length = 0;
    for (let at = model.leaves[i]; at >= 0; at = model.parents[at]) {
      const f = model.frames[model.nodes[at]];
      if (libraries || !f.library) path.push(f);
    }
    if (!inverted) path.reverse();
    add(t, 0, v, growth);
    let node = 0;
    for (const f of path) {
      const key = node * groups + f.group;
      let next = known.get(key);
      if (next === undefined) {
        next = t.group.length;
        known.set(key, next);
        t.group.push(f.group);
        t.parent.push(node);
        t.depth.push(t.depth[node] + 1);
        t.value.push(0);
        t.low.push(0);
        t.high.push(0);
        t.growth.push(0);
        t.frame.push(f);
        t.children.push(null);
        (t.children[node] ??= []).push(next);
      }
      node = next;
      add(t, node, v, growth);
    }
  }
  for (const list of t.children) list?.sort((a, b) => t.value[b] - t.value[a]);
  return t;
}

function add(t, node, v, growth) {
  t.value[node] += v.value;
  t.low[node] += v.low;
  t.high[node] += v.high;
  t.growth[node] += growth;
}

// find returns which nodes a test of their frames holds for, and how much they are of all. Nodes
// below others that match do not count twice.
export function find(t, matches) {
  const hit = new Uint8Array(t.group.length);
  const inside = new Uint8Array(t.group.length);
  let sum = 0;
  let n = 0;
  for (let i = 1; i < hit.length; i++) {
    inside[i] = inside[t.parent[i]] | hit[t.parent[i]];
    if (matches(t.frame[i])) {
      hit[i] = 1;
      n++;
      if (!inside[i]) sum += t.value[i];
    }
  }
  return { hit, n, part: t.value[0] > 0 ? sum / t.value[0] : 0 };
}
