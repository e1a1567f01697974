// A flame graph's tree: stacks that are called the same way are one node.

// sums are what is added up in each node: what it is as wide as, the bounds of an estimate, and what
// leaks. Of a difference the bounds are those of the change, and there is what there was before and after.
const sums = ['value', 'low', 'high', 'growth', 'change', 'from', 'to'];

// build makes the tree of a metric. Nodes are numbered so that callers come first; node 0 is all.
// inverted starts with the innermost functions and has their callers below.
export function build(model, metric, { inverted = false, libraries = true, wanted = null } = {}) {
  const t = { group: [-1], parent: [-1], depth: [0], frame: [null], children: [[]] };
  for (const sum of sums) t[sum] = [0];
  const known = new Map();
  const groups = model.groups.length || 1;
  const path = [];
  for (let i = 0; i < model.length; i++) {
    if (wanted && !wanted(i)) continue;
    const v = model.weigh(i, metric);
    if (!(v.value > 0)) continue;
    path.length = 0;
    for (let at = model.leaves[i]; at >= 0; at = model.parents[at]) {
      const f = model.frames[model.nodes[at]];
      if (libraries || !f.library) path.push(f);
    }
    if (!inverted) path.reverse();
    add(t, 0, v);
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
        for (const sum of sums) t[sum].push(0);
        t.frame.push(f);
        t.children.push(null);
        (t.children[node] ??= []).push(next);
      }
      node = next;
      add(t, node, v);
    }
  }
  for (const list of t.children) list?.sort((a, b) => t.value[b] - t.value[a]);
  return t;
}

function add(t, node, v) {
  for (const sum of sums) t[sum][node] += v[sum] ?? 0;
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
