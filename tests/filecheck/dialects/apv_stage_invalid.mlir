// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: expected to stand in an apv.stage, found apv.load in func.func
func.func @outside(%q: tensor<?x3x!ternary.int<0, 1>>) {
  %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
  func.return
}

// -----

// CHECK: expected only operations on column vectors in a stage, found ternary.reshape
func.func @host(%q: tensor<?x3x!ternary.int<0, 1>>) {
  apv.stage {
    %r = ternary.reshape %q : tensor<?x3x!ternary.int<0, 1>> -> tensor<?x3x1x!ternary.int<0, 1>>
    apv.yield
  }
  func.return
}

// -----

// CHECK: apv.max takes column vectors from outside of its stage
func.func @captured(%x: !apv.columns<2, 0, 1>) {
  apv.stage {
    %m = apv.max %x {size = 2 : i64} : !apv.columns<2, 0, 1> -> !apv.columns<1, 0, 1>
    apv.yield
  }
  func.return
}

// -----

// CHECK: a stage loads what it stores itself; that takes two stages
func.func @again(%q: tensor<?x3x!ternary.int<0, 1>>) {
  %r = apv.stage : tensor<?x3x!ternary.int<0, 1>> {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %s = apv.store %x : !apv.columns<3, 0, 1> -> tensor<?x3x!ternary.int<0, 1>>
    %y = apv.load %s : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    apv.yield %s : tensor<?x3x!ternary.int<0, 1>>
  }
  func.return
}

// -----

// CHECK: apv.stage %r uses %r before it is made
func.func @itself(%q: tensor<?x3x!ternary.int<0, 1>>) {
  %r = apv.stage : tensor<?x3x!ternary.int<0, 1>> {
    %x = apv.load %r : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %s = apv.store %x : !apv.columns<3, 0, 1> -> tensor<?x3x!ternary.int<0, 1>>
    apv.yield %s : tensor<?x3x!ternary.int<0, 1>>
  }
  func.return
}

// -----

// CHECK: a stage yields what its 1 stores give, in their order
func.func @yields(%q: tensor<?x3x!ternary.int<0, 1>>) {
  apv.stage {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %s = apv.store %x : !apv.columns<3, 0, 1> -> tensor<?x3x!ternary.int<0, 1>>
    apv.yield
  }
  func.return
}

// -----

// CHECK: the results of a stage have the types of what it yields
func.func @results(%q: tensor<?x3x!ternary.int<0, 1>>) {
  %r = apv.stage : tensor<?x3x!ternary.int<0, 2>> {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %s = apv.store %x : !apv.columns<3, 0, 1> -> tensor<?x3x!ternary.int<0, 1>>
    apv.yield %s : tensor<?x3x!ternary.int<0, 1>>
  }
  func.return
}

// -----

// CHECK: values of 1 and 4 rows per sample don't fit together
func.func @rows(%q: tensor<?x3x!ternary.int<0, 1>>, %p: tensor<?x3x!ternary.int<0, 1>, #ternary.rows<4>>) {
  apv.stage {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %y = apv.load %p : tensor<?x3x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<3, 0, 1, rows 4>
    apv.yield
  }
  func.return
}

// -----

// CHECK: Operation apv.load terminates block in single-block region but is not a terminator
func.func @end(%q: tensor<?x3x!ternary.int<0, 1>>) {
  apv.stage {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
  }
  func.return
}

// -----

// CHECK: outputs 2 to 1 of 3 are no part of them
func.func @backwards(%q: tensor<?x3x!ternary.int<0, 1>>) {
  apv.stage part <outputs 2 to 1 of 3> {
    apv.yield
  }
  func.return
}

// -----

// CHECK: a part needs its outputs, such as <outputs 16 to 32 of 64>
func.func @inputs_alone(%q: tensor<?x3x!ternary.int<0, 1>>) {
  apv.stage part <inputs 0 to 1 of 3> {
    apv.yield
  }
  func.return
}

// -----

// CHECK: expected outputs and inputs, each once at most, found 'outputs'
func.func @twice(%q: tensor<?x3x!ternary.int<0, 1>>) {
  apv.stage part <outputs 0 to 1 of 3, outputs 0 to 1 of 3> {
    apv.yield
  }
  func.return
}
