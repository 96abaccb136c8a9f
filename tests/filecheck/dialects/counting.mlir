// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @apv
func.func @apv(%x: tensor<?x3x!ternary.int<0, 3>, #ternary.rows<4>>, %y: tensor<?x1x!ternary.int<-1, 1>, #ternary.rows<4>>) -> tensor<?x2x!ternary.int<0, 8>, #ternary.rows<4>> {
  // CHECK: %[[S:.*]] = apv.count %{{.*}}, %{{.*}} : (tensor<?x3x!ternary.int<0, 3>, #ternary.rows<4>>, tensor<?x1x!ternary.int<-1, 1>, #ternary.rows<4>>) -> tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>> layer "fc" weights <{
  // CHECK-NEXT:   +0-0
  // CHECK-NEXT:   0++-
  // CHECK-NEXT: }> thresholds <{
  // CHECK-NEXT:   up 2
  // CHECK-NEXT: }>
  %s = apv.count %x, %y : (tensor<?x3x!ternary.int<0, 3>, #ternary.rows<4>>, tensor<?x1x!ternary.int<-1, 1>, #ternary.rows<4>>) -> tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>> layer "fc" weights <{
    +0-0
    0++-
  }> thresholds <{
    up 2
  }>
  // CHECK-NEXT: apv.accumulate %[[S]], %{{.*}} : {{.*}} layer "add" terms <{
  // CHECK-NEXT:   take 0
  // CHECK-NEXT:   add 3 << 1
  // CHECK-NEXT:   max 0 step 2
  // CHECK-NEXT: }>
  %t = apv.accumulate %s, %x : (tensor<?x2x!ternary.int<0, 1>, #ternary.rows<4>>, tensor<?x3x!ternary.int<0, 3>, #ternary.rows<4>>) -> tensor<?x2x!ternary.int<0, 8>, #ternary.rows<4>> layer "add" terms <{
    take 0
    add 3 << 1
    max 0 step 2
  }>
  func.return %t : tensor<?x2x!ternary.int<0, 8>, #ternary.rows<4>>
}

// CHECK-LABEL: func.func @rtm
func.func @rtm(%x: tensor<?x3x!ternary.int<-1, 1>>) -> tensor<?x2x!ternary.int<-1, 0>> {
  // CHECK: rtm.counted %{{.*}} : (tensor<?x3x!ternary.int<-1, 1>>) -> tensor<?x2x!ternary.int<-1, 0>> layer "fc" geometry <4x8x2> places <{
  // CHECK-NEXT:   activation c0.0:2s
  // CHECK-NEXT:   part outputs 0:2 inputs 0:2 2:3
  // CHECK-NEXT:     c2.0 = out 0 : 10 x
  // CHECK-NEXT:     c3.0 = out 1 : x1 1
  // CHECK-NEXT:     c4.0 = out 1 << 1 : 0x 0
  // CHECK-NEXT:     t0.c0.0:4 = table all : 1xxx 01xx
  // CHECK-NEXT:   offset -1
  // CHECK-NEXT: }>
  %r = rtm.counted %x : (tensor<?x3x!ternary.int<-1, 1>>) -> tensor<?x2x!ternary.int<-1, 0>> layer "fc" geometry <4x8x2> places <{
    activation c0.0:2s
    part outputs 0:2 inputs 0:2 2:3
      c2.0 = out 0 : 10 x
      c3.0 = out 1 : x1 1
      c4.0 = out 1 << 1 : 0x 0
      t0.c0.0:4 = table all : 1xxx 01xx
    offset -1
  }>
  func.return %r : tensor<?x2x!ternary.int<-1, 0>>
}

// CHECK-LABEL: func.func @ap
func.func @ap(%x: tensor<?x3x!ternary.int<0, 3>, #ternary.rows<4>>) -> tensor<?x2x!ternary.int<0, 15>, #ternary.rows<4>> {
  // CHECK: ap.counted {{.*}} layer "fc" geometry <4x8x2> parts <{
  // CHECK-NEXT:   outputs 0:2 inputs 0:2 2:3 tables 1
  // CHECK-NEXT: }> memory <{
  // CHECK-NEXT:   a0.c2.0 10
  // CHECK-NEXT:   a0.c3.0 x-1
  // CHECK-NEXT:   a2.c0.0 01
  // CHECK-NEXT: }> code <{
  // CHECK-NEXT:   repeat #4 {
  // CHECK-NEXT:     load c0.0:2
  // CHECK-NEXT:     count q0:2, c2.0, c0.0:2
  // CHECK-NEXT:     count.add q0:1, c4.1, c0.0:2<<1
  // CHECK-NEXT:     take.max q0:2, #0:2<<1
  // CHECK-NEXT:     take.add q1:1, #0:2s
  // CHECK-NEXT:     match q0:2, t0.c0.0:4, #-1
  // CHECK-NEXT:     match q0:2, t0.c4.0:4*0, #0
  // CHECK-NEXT:     store q0:2, #0:4
  // CHECK-NEXT:   }
  // CHECK-NEXT:   clear c0.0:2
  // CHECK-NEXT: }>
  %r = ap.counted %x : (tensor<?x3x!ternary.int<0, 3>, #ternary.rows<4>>) -> tensor<?x2x!ternary.int<0, 15>, #ternary.rows<4>> layer "fc" geometry <4x8x2> parts <{
    outputs 0:2 inputs 0:2 2:3 tables 1
  }> memory <{
    a2.c0.0 01
    a0.c3.0 x-1-
    a0.c2.0 10
  }> code <{
    repeat #4 {                     ; for each row
      load c0.0:2
      count q0:2, c2.0, c0.0:2
      count.add q0:1, c4.1, c0.0:2<<1
      take.max q0:2, #0:2 << 1
      take.add q1:1, #0:2s
      match q0:2, t0.c0.0:4, #-1
      match q0:2, t0.c4.0:4*0, #0
      store q0:2, #0:4
    }
    clear c0.0:2
  }>
  func.return %r : tensor<?x2x!ternary.int<0, 15>, #ternary.rows<4>>
}
