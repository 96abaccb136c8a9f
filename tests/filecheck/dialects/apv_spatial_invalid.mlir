// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: a window of (5, 5) does not fit into images of 4x4
func.func @fit(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %r = apv.gather %x window <kernel 5x5> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x50x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: expected rows of 8 elements, found ?x2
func.func @rows(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %r = apv.gather %x window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x2x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: the window's elements range over -1..1, the result over 0..1
func.func @range(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %r = apv.gather %x window <kernel 2x2, pads 1x0x0x0> {pad = -1 : i64} : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x8x!ternary.int<0, 1>, #ternary.rows<12>>
  func.return
}

// -----

// CHECK: expected images (batch, channels, height, width), found ?x2
func.func @images(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = apv.gather %x window <kernel 1x1> : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: rows ?x2 can't become images ?x3x2x2 of the same range
func.func @scatter_channels(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = apv.scatter %x : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x3x2x2x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: rows ?x2 can't become images ?x2x2x2 of the same range
func.func @scatter_range(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = apv.scatter %x : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2x2x2x!ternary.int<0, 2>>
  func.return
}

// -----

// CHECK: rows ?x2x1 can't become images ?x2x1x1 of the same range
func.func @scatter_rows(%x: tensor<?x2x1x!ternary.int<0, 1>>) {
  %r = apv.scatter %x : tensor<?x2x1x!ternary.int<0, 1>> -> tensor<?x2x1x1x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: expected 5 columns in the result
func.func @concat_count(%x: !apv.columns<2, 0, 1>, %y: !apv.columns<3, 0, 1>) {
  apv.stage {
    %r = apv.concat %x, %y : (!apv.columns<2, 0, 1>, !apv.columns<3, 0, 1>) -> !apv.columns<4, 0, 1>
    apv.yield
  }
  func.return
}

// -----

// CHECK: the result's range does not cover those of the inputs
func.func @concat_range(%x: !apv.columns<2, 0, 1>, %y: !apv.columns<3, -1, 1>) {
  apv.stage {
    %r = apv.concat %x, %y : (!apv.columns<2, 0, 1>, !apv.columns<3, -1, 1>) -> !apv.columns<5, 0, 1>
    apv.yield
  }
  func.return
}

// -----

// CHECK: 8 columns in runs of 3 can't be 2
func.func @max_count(%x: !apv.columns<8, 0, 1>) {
  apv.stage {
    %r = apv.max %x {size = 3 : i64} : !apv.columns<8, 0, 1> -> !apv.columns<2, 0, 1>
    apv.yield
  }
  func.return
}

// -----

// CHECK: 8 columns in runs of 0 can't be 8
func.func @max_size(%x: !apv.columns<8, 0, 1>) {
  apv.stage {
    %r = apv.max %x {size = 0 : i64} : !apv.columns<8, 0, 1> -> !apv.columns<8, 0, 1>
    apv.yield
  }
  func.return
}

// -----

// CHECK: 8 columns in runs of 4 can't be 2
func.func @max_range(%x: !apv.columns<8, 0, 1>) {
  apv.stage {
    %r = apv.max %x {size = 4 : i64} : !apv.columns<8, 0, 1> -> !apv.columns<2, 0, 2>
    apv.yield
  }
  func.return
}

// -----

// CHECK: the window has 9 positions, the result 1 rows
func.func @gather_positions(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %r = apv.gather %x window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x8x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: images of 4 positions can't be made from 9 rows per sample
func.func @scatter_positions(%x: tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>>) {
  %r = apv.scatter %x : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>> -> tensor<?x2x2x2x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: values of 1 and 9 rows per sample don't fit together
func.func @concat_rows(%x: !apv.columns<2, 0, 1>, %y: !apv.columns<3, 0, 1, rows 9>) {
  apv.stage {
    %r = apv.concat %x, %y : (!apv.columns<2, 0, 1>, !apv.columns<3, 0, 1, rows 9>) -> !apv.columns<5, 0, 1, rows 9>
    apv.yield
  }
  func.return
}

// -----

// CHECK: values of 2 and 9 rows per sample don't fit together
func.func @max_rows(%x: !apv.columns<8, 0, 1, rows 9>) {
  apv.stage {
    %r = apv.max %x {size = 4 : i64} : !apv.columns<8, 0, 1, rows 9> -> !apv.columns<2, 0, 1, rows 2>
    apv.yield
  }
  func.return
}

// -----

// CHECK: values of 1 and 4 rows per sample don't fit together
func.func @buffer_rows(%x: tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>>, %y: tensor<?x3x!ternary.int<0, 1>>) {
  %r = ternary.concat %x, %y : (tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>>, tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x5x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: expected a tensor of one row per sample
func.func @only_in_the_buffer(%x: tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>>) {
  %r = ternary.reshape %x : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>> -> tensor<?x2x1x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: expected at least two rows per sample, found 1
func.func @encoding(%x: tensor<?x2x!ternary.int<0, 1>, #ternary.rows<1>>) {
  func.return
}
