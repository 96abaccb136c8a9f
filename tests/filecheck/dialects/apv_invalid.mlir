// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: expected at least one column vector, found 0
func.func @none(%x: !apv.columns<0, 0, 1>) {
  func.return
}

// -----

// CHECK: the range 2 to 1 is empty
func.func @empty(%x: !apv.columns<2, 2, 1>) {
  func.return
}

// -----

// CHECK: expected a tensor (batch, 2), found ?x3
func.func @load(%q: tensor<?x3x!ternary.int<0, 1>>) {
  apv.stage {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<2, 0, 1>
    apv.yield
  }
  func.return
}

// -----

// CHECK: the tensor ranges over 0..1, the columns over 0..2
func.func @store(%x: !apv.columns<3, 0, 2>) {
  apv.stage {
    %q = apv.store %x : !apv.columns<3, 0, 2> -> tensor<?x3x!ternary.int<0, 1>>
    apv.yield
  }
  func.return
}

// -----

// CHECK: the graph has 1 inputs and 1 outputs, the types say 2 and 1
func.func @inputs(%x: !apv.columns<2, 0, 2>) {
  apv.stage {
    %a = apv.sum %x : (!apv.columns<2, 0, 2>) -> !apv.columns<1, 0, 2> graph <{
      inputs 1 in 0..2
      out %0
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: 3 inputs can't be channels of 2
func.func @kernel(%x: !apv.columns<3, 0, 1>) {
  apv.stage {
    %a = apv.linear %x {kernel_size = 2 : i64} : (!apv.columns<3, 0, 1>) -> !apv.columns<1, 0, 1> weights <{
      +00
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: input %1 of the graph ranges over 0..1, its column over 0..2
func.func @narrow(%x: !apv.columns<2, 0, 2>) {
  apv.stage {
    %a = apv.sum %x : (!apv.columns<2, 0, 2>) -> !apv.columns<1, 0, 2> graph <{
      inputs 1 in 0..2
      inputs 1 in 0..1
      out %0
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: output 0 reaches -2..0, the result has 0..2
func.func @result(%x: !apv.columns<1, 0, 2>) {
  apv.stage {
    %a = apv.sum %x : (!apv.columns<1, 0, 2>) -> !apv.columns<1, 0, 2> graph <{
      inputs 1 in 0..2
      out -%0
    }>
    apv.yield
  }
  func.return
}

// -----

// Interval arithmetic alone would refuse 4x - x.
// CHECK-NOT: the result has 0..6
// CHECK: %3 ranges over 0..4, which is u3, not u2
func.func @cancelled(%x: !apv.columns<1, 0, 2>) {
  apv.stage {
    %a = apv.sum %x : (!apv.columns<1, 0, 2>) -> !apv.columns<1, 0, 6> graph <{
      inputs 1 in 0..2
      %1 = %0<<2 - %0 : i5
      out %1
    }>
    %b = apv.sum %x : (!apv.columns<1, 0, 2>) -> !apv.columns<1, 0, 6> graph <{
      inputs 1 in 0..2
      %3 = %0 + %0 : u2
      out %3
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: %2 is not computed before it is used
func.func @later(%x: !apv.columns<1, 0, 2>) {
  apv.stage {
    %a = apv.sum %x : (!apv.columns<1, 0, 2>) -> !apv.columns<1, 0, 6> graph <{
      inputs 1 in 0..2
      %1 = %0 + %2 : u3
      %2 = %0 + %0 : u3
      out %1
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: %1 shifts both of its terms
func.func @shifts(%x: !apv.columns<1, 0, 2>) {
  apv.stage {
    %a = apv.sum %x : (!apv.columns<1, 0, 2>) -> !apv.columns<1, 0, 8> graph <{
      inputs 1 in 0..2
      %1 = %0<<1 + %0<<1 : u4
      out %1
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: 2 columns can't become 3
func.func @threshold(%x: !apv.columns<2, 0, 2>) {
  apv.stage {
    %a = apv.threshold %x : !apv.columns<2, 0, 2> -> !apv.columns<3, 0, 1> thresholds <{
      up 1
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: thresholds of an input 0..2 lie in 0..3, found -1..-1
func.func @reach(%x: !apv.columns<2, 0, 2>) {
  apv.stage {
    %a = apv.threshold %x : !apv.columns<2, 0, 2> -> !apv.columns<2, 0, 1> thresholds <{
      up -1
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: expected at least one row per sample, found 0
func.func @no_rows(%x: !apv.columns<2, 0, 1, rows 0>) {
  func.return
}

// -----

// CHECK: values of 1 and 36 rows per sample don't fit together
func.func @linear_rows(%x: !apv.columns<1, 0, 1, rows 36>, %y: !apv.columns<1, 0, 1>) {
  apv.stage {
    %a = apv.sum %x, %y : (!apv.columns<1, 0, 1, rows 36>, !apv.columns<1, 0, 1>) -> !apv.columns<1, 0, 2, rows 36> graph <{
      inputs 2 in 0..1
      %2 = %0 + %1 : u2
      out %2
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: values of 1 and 4 rows per sample don't fit together
func.func @threshold_rows(%x: !apv.columns<2, 0, 2, rows 4>) {
  apv.stage {
    %a = apv.threshold %x : !apv.columns<2, 0, 2, rows 4> -> !apv.columns<2, 0, 1> thresholds <{
      up 1
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: values of 1 and 4 rows per sample don't fit together
func.func @load_rows(%q: tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>>) {
  apv.stage {
    %x = apv.load %q : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<2, 0, 1>
    apv.yield
  }
  func.return
}

// -----

// CHECK: weights have 3 inputs and 1 outputs, the types say 2 and 1
func.func @weights_inputs(%x: !apv.columns<2, 0, 1>) {
  apv.stage {
    %a = apv.linear %x : (!apv.columns<2, 0, 1>) -> !apv.columns<1, 0, 3> weights <{
      +++
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: output 1 reaches -1..4, the result has 0..4
func.func @weights_reach(%x: !apv.columns<2, 0, 2>, %y: !apv.columns<1, 0, 1>) {
  apv.stage {
    %a = apv.linear %x, %y : (!apv.columns<2, 0, 2>, !apv.columns<1, 0, 1>) -> !apv.columns<2, 0, 4> weights <{
      +0+
      ++-
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: weights lie within -1073741824 and 1073741824
func.func @weights_large(%x: !apv.columns<1, 0, 1>) {
  apv.stage {
    %a = apv.linear %x : (!apv.columns<1, 0, 1>) -> !apv.columns<1, 0, 1073741825> weights <{
      1073741825
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: its inputs range over 0..4294967295, at most -2147483648..2147483647 can be summed
func.func @wide(%x: !apv.columns<1, 0, 4294967295>) {
  apv.stage {
    %a = apv.linear %x : (!apv.columns<1, 0, 4294967295>) -> !apv.columns<1, 0, 4294967295> weights <{
      +
    }>
    apv.yield
  }
  func.return
}

// -----

// CHECK: values of 1 and 36 rows per sample don't fit together
func.func @weights_rows(%x: !apv.columns<1, 0, 1, rows 36>, %y: !apv.columns<1, 0, 1>) {
  apv.stage {
    %a = apv.linear %x, %y : (!apv.columns<1, 0, 1, rows 36>, !apv.columns<1, 0, 1>) -> !apv.columns<1, 0, 2, rows 36> weights <{
      ++
    }>
    apv.yield
  }
  func.return
}
