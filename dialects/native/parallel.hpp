// Shares out numbered pieces of work to threads that stay.
//
// A network's layers are many short calls, each of which waits for the one before. Threads that have done their work
// look out for more for a while before they sleep: to be woken takes longer than a small layer.
#pragma once

#ifndef _WIN32
#include <unistd.h>
#endif

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace native {

class Crew {
public:
    // The process's crew, never destroyed: at exit its threads sleep, and after a fork they aren't there.
    static Crew& of_process() {
        static std::mutex guard;
        static Crew* crew = nullptr;
        static int owner = 0;
        std::lock_guard<std::mutex> lock(guard);
        if (!crew || owner != process()) crew = new Crew, owner = process();
        return *crew;
    }

    // Calls work on as many threads, the caller among them, and returns when all have returned. While one call has the
    // crew, others get threads that don't stay.
    void run(int threads, const std::function<void()>& work) {
        std::unique_lock<std::mutex> mine(in_use_, std::try_to_lock);
        if (!mine) return run_apart(threads, work);
        try {
            for (; helpers_ < threads - 1; ++helpers_)
                std::thread([this, number = helpers_, seen = calls_.load()] { help(number, seen); }).detach();
        } catch (const std::system_error&) {
            // The threads there are do it all.
        }
        work_ = &work;
        wanted_ = threads - 1;
        busy_ = helpers_;
        calls_.fetch_add(1);
        calls_.notify_all();
        work();
        while (busy_.load()) std::this_thread::yield();
    }

private:
    static constexpr std::chrono::microseconds kPatience{500};

    std::mutex in_use_;
    const std::function<void()>* work_ = nullptr;
    int helpers_ = 0, wanted_ = 0;
    std::atomic<int> busy_{0};
    std::atomic<unsigned> calls_{0};

    static int process() {
#ifdef _WIN32
        return 1;
#else
        return int(getpid());
#endif
    }

    static void run_apart(int threads, const std::function<void()>& work) {
        std::vector<std::thread> others;
        try {
            while (int(others.size()) < threads - 1) others.emplace_back(work);
        } catch (const std::system_error&) {
            // As above.
        }
        work();
        for (std::thread& other : others) other.join();
    }

    void help(int number, unsigned seen) {
        for (;; ++seen) {
            auto until = std::chrono::steady_clock::now() + kPatience;
            while (calls_.load() == seen)
                if (std::chrono::steady_clock::now() > until) calls_.wait(seen);
            if (number < wanted_) (*work_)();
            busy_.fetch_sub(1);
        }
    }
};

// Calls work(0, state), ..., work(count - 1, state) on at most `threads` threads, each of which makes a state of its
// own. Raises what the first of the calls in their order raised; those behind it need not have been made.
template <class Make, class Work>
void parallel(int64_t count, int threads, const Make& make, const Work& work) {
    std::atomic<int64_t> next{0};
    std::exception_ptr failure;
    int64_t failed = count;
    std::mutex guard;
    auto run = [&] {
        int64_t number = -1;  // before all calls: making the state
        try {
            auto state = make();
            while ((number = next.fetch_add(1)) < count) work(number, state);
        } catch (...) {
            std::lock_guard<std::mutex> lock(guard);
            if (number < failed) failed = number, failure = std::current_exception();
            next = count;
        }
    };
    if (threads > 1 && count > 1)
        Crew::of_process().run(threads < count ? threads : int(count), run);
    else
        run();
    if (failure) std::rethrow_exception(failure);
}

// The same with calls work(0), ..., work(count - 1).
template <class Work>
void parallel(int64_t count, int threads, const Work& work) {
    parallel(
        count, threads, [] { return 0; }, [&](int64_t number, int) { work(number); });
}

}  // namespace native
