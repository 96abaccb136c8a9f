// RUN: camc opt %s -p apv-count | filecheck %s
// RUN: camc opt %s -p apv-count,convert-apv-to-rtm | filecheck %s --check-prefix=RTM
// RUN: camc opt %s -p apv-count,convert-apv-to-rtm,convert-rtm-to-ap | filecheck %s --check-prefix=AP

builtin.module attributes {rtm.target = #rtm.target<{
  name = "counting"
  rows = 4
  columns = 8
  domains = 16
  counter = true
}>} {
  // A product with its thresholds and a residual sum: each is an operation on tensors of the buffer.
  // CHECK-LABEL: func.func @residual
  // CHECK-SAME:    (%[[X:.*]]: tensor<?x3x!ternary.int<0, 1>>, %[[Y:.*]]: tensor<?x2x!ternary.int<0, 3>>)
  // CHECK-NEXT:  %[[F:.*]] = apv.count %[[X]] : {{.*}} -> tensor<?x2x!ternary.int<0, 1>> layer "fc" weights <{
  // CHECK-NEXT:    1 0 -1
  // CHECK-NEXT:    0 3 1
  // CHECK-NEXT:  }> thresholds <{
  // CHECK-NEXT:    up 1
  // CHECK-NEXT:    down 3
  // CHECK-NEXT:  }>
  // CHECK-NEXT:  %[[S:.*]] = apv.accumulate %[[F]], %[[Y]] : {{.*}} -> tensor<?x2x!ternary.int<0, 7>> layer "add" terms <{
  // CHECK-NEXT:    take 0
  // CHECK-NEXT:    add 2 << 1
  // CHECK-NEXT:  }>
  // CHECK-NEXT:  func.return %[[S]]

  // RTM-LABEL: func.func @residual
  // RTM:       rtm.counted {{.*}} layer "fc" geometry <4x8x16> places <{
  // RTM-NEXT:    activation c0.0:1
  // RTM-NEXT:    part outputs 0:2 inputs 0:3
  // RTM-NEXT:      c1.0 = out 0 : 1x0
  // RTM-NEXT:      c2.0 = out 1 : x01
  // RTM-NEXT:      c3.0 = out 1 << 2 : x1x
  // RTM-NEXT:      t0.c0.0:4 = table 0 : 0001 001x 01xx
  // RTM-NEXT:      t0.c4.0:4 = table 1 : 0010 000x 1xxx
  // RTM-NEXT:  }>
  // RTM-NEXT:  rtm.counted {{.*}} layer "add" geometry <4x8x16> places <{
  // RTM-NEXT:    part outputs 0:2
  // RTM-NEXT:    take 0:1
  // RTM-NEXT:    add 2:2 << 1
  // RTM-NEXT:  }>

  // AP-LABEL: func.func @residual
  // AP:       parts <{
  // AP-NEXT:    outputs 0:2 inputs 0:3 tables 1
  // AP-NEXT:  }> memory <{
  // AP-NEXT:    a0.c1.0 1x0
  // AP-NEXT:    a0.c2.0 x01
  // AP-NEXT:    a0.c3.0 x1x
  // AP:       }> code <{
  // AP-NEXT:    repeat #1 {
  // AP-NEXT:      load c0.0:1
  // AP-NEXT:      count q0:2, c1.0, c0.0:1
  // AP-NEXT:      count.add q1:1, c3.0, c0.0:1<<2
  // AP-NEXT:      match q0:2, t0.c0.0:4, #0
  // AP-NEXT:      store q0:2, #0:1
  // AP-NEXT:    }
  // AP-NEXT:    clear c0.0:1
  // AP-NEXT:  }>
  // AP:       take q0:2, #0:1
  // AP-NEXT:  take.add q0:2, #2:2<<1
  // AP-NEXT:  store q0:2, #0:3
  func.func @residual(%x: tensor<?x3x!ternary.int<0, 1>>, %y: tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x2x!ternary.int<0, 7>> {
    %r = apv.stage : tensor<?x2x!ternary.int<0, 7>> {
      %a = apv.load %x : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
      %l = apv.linear %a : (!apv.columns<3, 0, 1>) -> !apv.columns<2, -1, 4> layer "fc" weights <{
        1 0 -1
        0 3 1
      }>
      %t = apv.threshold %l : !apv.columns<2, -1, 4> -> !apv.columns<2, 0, 1> layer "act" thresholds <{
        up 1
        down 3
      }>
      %b = apv.load %y : tensor<?x2x!ternary.int<0, 3>> -> !apv.columns<2, 0, 3>
      %m = apv.linear %t, %b : (!apv.columns<2, 0, 1>, !apv.columns<2, 0, 3>) -> !apv.columns<2, 0, 7> layer "add" weights <{
        1 0 2 0
        0 1 0 2
      }>
      %s = apv.store %m : !apv.columns<2, 0, 7> -> tensor<?x2x!ternary.int<0, 7>>
      apv.yield %s : tensor<?x2x!ternary.int<0, 7>>
    }
    func.return %r : tensor<?x2x!ternary.int<0, 7>>
  }

  // A rescaling of few levels is a table, one of many stays a stage; the greatest of a window is accumulated.
  // CHECK-LABEL: func.func @rescaled
  // CHECK:       apv.accumulate {{.*}} layer "pool" terms <{
  // CHECK-NEXT:    take 0 step 2
  // CHECK-NEXT:    max 1 step 2
  // CHECK-NEXT:  }> thresholds <{
  // CHECK-NEXT:    up 2
  // CHECK-NEXT:  }>
  // CHECK-NEXT:  apv.stage : tensor<?x1x!ternary.int<0, 15>> {
  // CHECK-NEXT:    apv.load
  // CHECK-NEXT:    apv.rescale
  // CHECK:         apv.store
  // CHECK-NEXT:    apv.yield
  // CHECK-NEXT:  }
  func.func @rescaled(%x: tensor<?x2x!ternary.int<0, 12>>) -> tensor<?x1x!ternary.int<0, 15>> {
    %r = apv.stage : tensor<?x1x!ternary.int<0, 15>> {
      %a = apv.load %x : tensor<?x2x!ternary.int<0, 12>> -> !apv.columns<2, 0, 12>
      %p = apv.max %a {size = 2 : i64} : !apv.columns<2, 0, 12> -> !apv.columns<1, 0, 12> layer "pool"
      %t = apv.rescale %p : !apv.columns<1, 0, 12> -> !apv.columns<1, 0, 1> layer "few" lines <{
        * 1 + 2 >> 2 in 0..1
      }>
      %u = apv.rescale %t : !apv.columns<1, 0, 1> -> !apv.columns<1, 0, 15> layer "many" lines <{
        * 5 + 0 >> 0 in 0..15
      }>
      %s = apv.store %u : !apv.columns<1, 0, 15> -> tensor<?x1x!ternary.int<0, 15>>
      apv.yield %s : tensor<?x1x!ternary.int<0, 15>>
    }
    func.return %r : tensor<?x1x!ternary.int<0, 15>>
  }
}
