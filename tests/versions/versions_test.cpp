// Versions: what is committed is what is opened, at the price of what is new.
#include "versions/versions.h"
#include "model/files/load.h"
#include "model/files/save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <optional>
#include <thread>

#include "base/hash.h"
#include "model/weights.h"
#include "tensor/quantised/blocks.h"
#include "tests/model/fixtures.h"
#include "tests/source_directory.h"
#include "tests/versions/version_files.h"
#include "versions/check.h"
#include "versions/delta.h"
#include "versions/diff.h"

namespace gremium::versions {
namespace {

namespace fs = std::filesystem;
using moe::ExpertId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<int32_t> ids = test::random_tokens(300, 24);

void reset_two(Draft& draft) {
    reset(draft, {draft.layers().front().layer, 1}, 5);
    reset(draft, {draft.layers().back().layer, 2}, 6);
}

int64_t bytes_below(const fs::path& directory) {
    int64_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory))
        if (entry.is_regular_file()) sum += static_cast<int64_t>(entry.file_size());
    return sum;
}

// Bytes of an expert's tensors.
int64_t bytes_of(const Model& model, ExpertId id) {
    int64_t sum = 0;
    for (const auto tensor : moe::expert_tensors) {
        const TensorView value = (model.experts->peek(id).*tensor).value;
        if (value) sum += value.bytes();
    }
    return sum;
}

TEST(Versions, TwoEditedExpertsOfTheDefaultModelCostTheirBytes) {
    const Folder folder;
    const fs::path base = test::source_directory() / "models/default.gguf";
    const std::string before = read_file(base);
    VersionStore store = create_versions(folder / "store", base);
    const int64_t empty = bytes_below(folder / "store");
    EXPECT_LT(empty, 40'000);

    const auto model = edited(load_model(base), reset_two);
    const fs::path file = folder / "edited.gguf";
    save_model(*model, file, stored_types(*model, Container::gguf));
    const Committed done = commit(store, *load_model(file), {.message = "Two experts begin anew"});
    EXPECT_THAT(done.experts, ElementsAre(ExpertId{0, 1}, ExpertId{5, 2}));
    EXPECT_THAT(done.rows, IsEmpty());
    EXPECT_THAT(done.tensors, IsEmpty());

    const int64_t grown = bytes_below(folder / "store") - empty;
    const int64_t weights = bytes_of(*model, {0, 1}) + bytes_of(*model, {5, 2});
    EXPECT_EQ(weights, 2 * 3 * 96 * 256 / 32 * 34);
    EXPECT_EQ(done.bytes, grown);
    EXPECT_GE(grown, weights);
    EXPECT_LT(grown, weights + 2000) << "beside the weights, two headers and a manifest";

    const auto opened = head_of(store);
    const fs::path out = folder / "out.gguf";
    save_model(*opened, out, stored_types(*opened, Container::gguf));
    EXPECT_TRUE(read_file(out) == read_file(file)) << "checked out, it is the file that was committed";
    EXPECT_TRUE(read_file(base) == before);
    EXPECT_THAT(check_store(store).problems, IsEmpty());
}

TEST(Versions, OfEveryMixtureAreWhatWasCommitted) {
    for (const std::string& name : test::tiny_architectures()) {
        if (!test::tiny_model(name)->experts || name == "llama4") continue;  // its GGUF needs more layers
        const Folder folder;
        const fs::path base = write_model(folder / "base.gguf", name);
        VersionStore store = create_versions(folder / "store", base);
        const auto model = edited(load_model(base), [](Draft& draft) {
            reset_two(draft);
            draft.layers()[0].router_ED[3][0] += 1;
        });
        const Committed done = commit(store, *model, {.message = name});
        EXPECT_EQ(done.experts.size(), 2u) << name;
        EXPECT_EQ(done.rows.size(), 1u) << name;
        const auto opened = head_of(store);
        EXPECT_TRUE(state_of(*opened) == state_of(*model)) << name;
        EXPECT_TRUE(all_logprobs(opened, ids) == all_logprobs(model, ids)) << name;
        EXPECT_TRUE(all_logprobs(open_version(store, done.parent), ids) == all_logprobs(load_model(base), ids)) << name;
    }
}

TEST(Versions, OfPrunedModelsCostNoWeights) {
    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "dots1"));
    SaliencyTable saliency(head_of(store)->spec.layers.size());
    for (size_t l = 1; l < saliency.size(); ++l) saliency[l] = {3, 0.5, 5, 4, 0.1, 2};
    const auto pruned = edited(head_of(store), [&](Draft& draft) { prune(draft, saliency, {.share = 1.0 / 3}); });
    const Committed done = commit(store, *pruned, {.message = "A third fewer experts"});
    EXPECT_EQ(done.objects, 0);
    EXPECT_THAT(store.files(VersionStore::Kind::object), IsEmpty());
    EXPECT_TRUE(all_logprobs(head_of(store), ids) == all_logprobs(pruned, ids));

    const VersionDifference d = difference(store, store.resolve("HEAD~"), store.resolve("HEAD"));
    ASSERT_EQ(d.layers.size(), saliency.size() - 1);
    EXPECT_EQ(d.layers[0].before.experts, 6);
    EXPECT_EQ(d.layers[0].after.experts, 4);
    EXPECT_THAT(d.layers[0].gone, ElementsAre(1, 4));
    EXPECT_THAT(d.layers[0].added, IsEmpty());
    EXPECT_THAT(d.experts, IsEmpty());

    revert(store, store.resolve("HEAD"), {.message = "All again"});
    EXPECT_TRUE(store.state(store.resolve("HEAD")) == store.base().state);
}

TEST(Versions, DifferenceIsTheRelativeChange) {
    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "dots1"));
    const Committed done = commit_edits(store, "a little more of everything", [](Draft& draft) {
        DraftLayer& layer = draft.layer(1);
        for (const auto tensor : {&moe::ExpertWeights::gate, &moe::ExpertWeights::up, &moe::ExpertWeights::down}) {
            std::vector<float> values = to_floats((layer.experts[3].*tensor).value);
            for (float& v : values) v *= 1.25f;  // exact in f32 but for the last bit
            layer.experts[3].*tensor = draft.weight(values, DType::f32, (layer.experts[3].*tensor).value.shape);
        }
        for (float& v : layer.router_ED[4]) v *= 0.5f;
        layer.correction[4] += 0.25f;
    });
    const VersionDifference d = difference(store, done.parent, done.version);
    ASSERT_EQ(d.experts.size(), 2u);
    EXPECT_EQ(d.experts[0].id, (ExpertId{1, 3}));
    EXPECT_NEAR(d.experts[0].weights, 0.25, 1e-6);
    EXPECT_EQ(d.experts[0].row, 0);
    EXPECT_EQ(d.experts[1].id, (ExpertId{1, 4}));
    EXPECT_EQ(d.experts[1].weights, 0);
    EXPECT_EQ(d.experts[1].row, 0.5);
    EXPECT_NEAR(d.experts[1].bias, 0.25, 1e-6);
    EXPECT_THAT(d.tensors, IsEmpty());
}

TEST(Versions, BranchesAndReferences) {
    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "mixtral"));
    const std::string first = store.head().version;
    const std::string second = commit_edits(store, "second", [](Draft& d) { reset(d, {0, 1}, 1); }).version;
    {
        const VersionStore::Lock lock(store);
        store.set_branch(lock, "try", first);
    }
    check_out(store, "try");
    EXPECT_EQ(store.head().branch, "try");
    const std::string other = commit_edits(store, "other", [](Draft& d) { reset(d, {0, 2}, 1); }).version;
    EXPECT_EQ(store.branches().at("main"), second);
    EXPECT_EQ(store.resolve("try~"), first);
    EXPECT_EQ(store.resolve(other.substr(0, 8)), other);
    EXPECT_EQ(store.resolve(""), other);
    EXPECT_EQ(open_model_or_version((folder / "store").string() + "@main")->experts->hash({0, 1}),
              open_version(store, second)->experts->hash({0, 1}));
    check_out(store, second.substr(0, 10));
    EXPECT_EQ(store.head().branch, "");
    EXPECT_THAT(error_of([&] { store.resolve("nothing"); }), HasSubstr("no branch or version \"nothing\""));
    EXPECT_THAT(error_of([&] { store.resolve("main~9"); }), HasSubstr("before the first version"));
    EXPECT_THAT(error_of([&] { store.resolve("main~x"); }), HasSubstr("number of parents"));
    const VersionStore::Lock lock(store);
    for (const char* name : {"../main", "", ".x", "HEAD", "a/b", "-d", "x.tmp-1", "0123456789abcdef0123456789abcdef"})
        EXPECT_THAT(error_of([&] { store.set_branch(lock, name, first); }), HasSubstr("cannot name a branch"));
    EXPECT_THAT(error_of([&] { VersionStore::Lock second_writer(store); }), HasSubstr("another program"));
}

TEST(Versions, WhatIsMadeOfAnOldHeadStandsBesideTheNewOne) {
    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "qwen3moe"));
    const auto opened = head_of(store);
    const std::string onto = require_head(store, *opened);
    const Committed first = commit_edits(store, "first", [](Draft& d) { reset(d, {0, 1}, 5); });
    const auto made = edited(opened, [](Draft& d) { reset(d, {1, 2}, 6); });
    const std::string refused = error_of([&] { commit(store, *made, {.message = "slow", .onto = onto}); });
    EXPECT_THAT(refused, HasSubstr("HEAD has become " + first.version.substr(0, 12)));
    EXPECT_EQ(store.head().version, first.version);
    // Nothing of either is lost.
    const auto branches = store.branches();
    ASSERT_EQ(branches.size(), 2u);
    const auto [branch, version] = *branches.begin();
    EXPECT_THAT(refused, HasSubstr(branch));
    EXPECT_EQ(store.manifest(version).parent, onto);
    EXPECT_EQ(state_of(*open_version(store, version)), state_of(*made));
    EXPECT_THAT(check_store(store).problems, IsEmpty());
    EXPECT_EQ(commit(store,
                     *edited(head_of(store),
                             [](Draft& d) {
                                 reset(d, {1, 3}, 7);
                             }),
                     {.message = "next", .onto = first.version})
                  .parent,
              first.version);
}

TEST(Versions, AStoreThatIsWrittenToIsWaitedForAndReadAllTheSame) {
    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "qwen3moe"));
    std::optional<VersionStore::Lock> lock(store);
    std::atomic<bool> given_back = false;
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        given_back = true;
        lock.reset();
    });
    EXPECT_EQ(store.history(store.resolve("HEAD")).size(), 1u);
    head_of(store);
    EXPECT_FALSE(given_back);
    commit_edits(store, "waited", [](Draft& d) { reset(d, {0, 1}, 5); });
    EXPECT_TRUE(given_back);
    other.join();
    EXPECT_EQ(store.history(store.resolve("HEAD")).size(), 2u);
}

// For a while a user who may do no more than what is permitted: root may write everywhere.
class AsSomebody {
  public:
    AsSomebody() : was_(::geteuid()) { become(nobody); }
    ~AsSomebody() { become(was_); }
    AsSomebody(const AsSomebody&) = delete;
    AsSomebody& operator=(const AsSomebody&) = delete;

  private:
    static constexpr uid_t nobody = 65534;
    void become(uid_t user) const {
        const bool done = was_ != 0 || ::seteuid(user) == 0;
        EXPECT_TRUE(done);
    }
    uid_t was_;
};

TEST(Versions, ReadersNeedNoRightToWrite) {
    const Folder folder, own;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "qwen3moe"));
    commit_edits(store, "changed", [](Draft& d) { reset(d, {0, 1}, 5); });
    const auto permit = [&](fs::perms rights) {
        for (const auto& entry : fs::recursive_directory_iterator(folder / "store")) fs::permissions(entry, rights);
        fs::permissions(folder / "store", rights);
    };
    const fs::perms readable = fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read;
    permit(readable | fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec);
    fs::permissions(folder.path(), fs::perms(0755));
    fs::permissions(own.path(), fs::perms(0777));
    {
        const AsSomebody somebody;
        EXPECT_THAT(check_store(store).problems, IsEmpty());
        EXPECT_EQ(difference(store, store.resolve("HEAD~"), store.resolve("HEAD")).experts.size(), 1u);
        export_expert(store, store.resolve("HEAD"), {0, 1}, own / "expert.safetensors");
        EXPECT_THAT(error_of([&] { VersionStore::Lock lock(store); }), HasSubstr("may not be written to"));
    }
    permit(fs::perms::owner_all);
}

TEST(Versions, MessagesAreText) {
    const std::string bad[] = {"\x1b[31mred",
                               "bell\a",
                               "null" + std::string(1, '\0'),
                               "\u202eback",
                               "\xc2\x9b"
                               "31m",
                               "line\u2028s",
                               "\xff\xfe",
                               std::string(5000, 'x'),
                               " \n\t"};
    for (const std::string& message : bad)
        EXPECT_THAT(error_of([&] { checked_message(message); }), HasSubstr("message"));
    EXPECT_EQ(checked_message("\n--all: \u00fcber\r\n\r\n\tmore \U0001F468\u200D\U0001F469 \n"),
              "--all: \u00fcber\n\n more \U0001F468\u200D\U0001F469");
}

TEST(Versions, RevertUndoesOneAndKeepsTheOthers) {
    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "dots1"));
    const std::string one = commit_edits(store, "one", [](Draft& d) { reset(d, {1, 1}, 1); }).version;
    const std::string two = commit_edits(store, "two", [](Draft& d) { reset(d, {1, 2}, 2); }).version;
    const VersionState second = store.state(two), base = store.base().state;
    revert(store, one, {.message = "not one"});
    const VersionState now = store.state(store.head().version);
    EXPECT_EQ(now.experts.at({1, 1}), base.experts.at({1, 1}));
    EXPECT_EQ(now.experts.at({1, 2}), second.experts.at({1, 2}));
    EXPECT_THAT(error_of([&] { revert(store, one, {.message = "again"}); }), HasSubstr("1.1 was changed again later"));
    EXPECT_THAT(error_of([&] { revert(store, store.resolve("HEAD~3"), {.message = "x"}); }),
                HasSubstr("has nothing before it"));
    // What the expert stood beside is another now: said, and kept in the history.
    const std::string three = commit_edits(store, "three", [](Draft& d) { reset(d, {2, 1}, 1); }).version;
    commit_edits(store, "rows", [](Draft& d) { d.layer(2).router_ED[4][0] += 1; });
    const Committed done = revert(store, three, {.message = "not three"});
    EXPECT_THAT(done.notes, ElementsAre(HasSubstr("2.1 now stands beside other router rows")));
    EXPECT_THAT(store.manifest(done.version).provenance,
                ElementsAre("revert of " + three, HasSubstr("beside other router rows")));
}

TEST(Versions, RefuseModelsThatAreNoVariants) {
    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "dots1"));
    const auto other = load_model(write_model(folder / "other.gguf", "mixtral"));
    EXPECT_THAT(error_of([&] { commit(store, *other, {.message = "m"}); }), HasSubstr("is not a variant of"));
    const auto wide = test::tiny_model("dots1", {.head_dim = 4});
    EXPECT_THAT(error_of([&] { commit(store, *wide, {.message = "m"}); }), HasSubstr("is not a variant of"));
    EXPECT_THAT(error_of([&] { commit(store, *head_of(store), {.message = "m"}); }), HasSubstr("nothing differs"));
    EXPECT_THAT(error_of([&] { commit_edits(store, " \n", reset_two); }), HasSubstr("message is expected"));
    EXPECT_THAT(error_of([&] { create_versions(folder / "dense", write_model(folder / "d.gguf", "llama")); }),
                HasSubstr("has no experts"));
    EXPECT_FALSE(fs::exists(folder / "dense"));
    EXPECT_THAT(error_of([&] { create_versions(folder / "store", folder / "base.gguf"); }),
                HasSubstr("exists already"));
    commit_edits(store, "edited", reset_two);
    EXPECT_THAT(error_of([&] { require_head(store, *load_model(folder / "base.gguf")); }),
                HasSubstr("has checked out"));
    require_head(store, *head_of(store));
    EXPECT_THAT(check_store(store).problems, IsEmpty());
}

TEST(Versions, GarbageIsWhatNothingReaches) {
    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "mixtral"));
    const std::string first = store.head().version;
    commit_edits(store, "kept", [](Draft& d) { reset(d, {0, 1}, 1); });
    const VersionState kept = store.state(store.head().version);
    check_out(store, first);
    commit_edits(store, "lost", [](Draft& d) { reset(d, {1, 1}, 7); });
    check_out(store, "main");
    write_file(folder / "store/objects/0123.tmp-99", "half");
    EXPECT_EQ(check_store(store).unused, 3);
    const Collected freed = collect_garbage(store);
    EXPECT_EQ(freed.versions, 1);
    EXPECT_EQ(freed.objects, 1);
    EXPECT_EQ(freed.leftovers, 1);
    EXPECT_EQ(check_store(store).unused, 0);
    EXPECT_TRUE(state_of(*head_of(store)) == kept);
}

class Exchange : public testing::Test {
  protected:
    Exchange() {
        commit_edits(mine, "an expert", [](Draft& d) {
            reset(d, {1, 3}, 9);
            d.layer(1).router_ED[3][2] += 1;
        });
        export_expert(mine, mine.head().version, {1, 3}, file);
    }
    const Folder folder;
    const fs::path base = write_model(folder / "base.gguf", "dots1"), file = folder / "expert.safetensors";
    VersionStore mine = create_versions(folder / "mine", base), yours = create_versions(folder / "yours", base);
};

TEST_F(Exchange, AnExpertTravelsWithItsRow) {
    const Committed done = import_expert(yours, file, {});
    EXPECT_THAT(done.experts, ElementsAre(ExpertId{1, 3}));
    EXPECT_THAT(done.rows, ElementsAre(ExpertId{1, 3}));
    EXPECT_TRUE(yours.state(done.version) == mine.state(mine.head().version));
    EXPECT_EQ(yours.manifest(done.version).message, "an expert");
    EXPECT_THAT(yours.manifest(done.version).provenance,
                ElementsAre(HasSubstr("import of expert 1.3 of version " + mine.head().version)));
    EXPECT_TRUE(all_logprobs(head_of(yours), ids) == all_logprobs(head_of(mine), ids));
}

TEST_F(Exchange, RefusesWhatDoesNotBelongTogether) {
    commit_edits(yours, "other rows", [](Draft& d) { d.layer(1).router_ED[0][0] += 1; });
    EXPECT_THAT(error_of([&] { import_expert(yours, file, {}); }), HasSubstr("beside other router rows"));
    EXPECT_THAT(error_of([&] {
                    import_expert(mine, file, {.to = ExpertId{2, 3}});
                }),
                HasSubstr("it was expert 1.3 and would be 2.3"));
    EXPECT_THAT(error_of([&] { import_expert(yours, file, {.to = ExpertId{0, 3}}); }), HasSubstr("no expert 0.3"));
    EXPECT_THAT(error_of([&] { import_expert(yours, file, {.to = ExpertId{1, 30}}); }), HasSubstr("no expert 1.30"));
    VersionStore stranger = create_versions(folder / "stranger", write_model(folder / "s.gguf", "dots1", 2));
    EXPECT_THAT(error_of([&] { import_expert(stranger, file, {}); }), HasSubstr("another base model"));
    VersionStore other = create_versions(folder / "other", write_model(folder / "o.gguf", "mixtral"));
    EXPECT_THAT(error_of([&] { import_expert(other, file, {.foreign = true}); }),
                HasSubstr("which expert 1.3 does not have"));
    const Committed done = import_expert(stranger, file, {.foreign = true, .message = "as a trial"});
    EXPECT_THAT(done.notes, ElementsAre(HasSubstr("another base model")));
    EXPECT_THAT(stranger.manifest(done.version).provenance.back(), HasSubstr("foreign: expert 1.3"));
    EXPECT_THAT(check_store(stranger).problems, IsEmpty());
}

TEST_F(Exchange, RefusesDamagedFiles) {
    const std::string whole = read_file(file);
    const fs::path bad = folder / "bad.safetensors";
    for (const size_t length : {size_t{0}, size_t{7}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
        write_file(bad, std::string_view(whole).substr(0, length));
        EXPECT_THAT(error_of([&] { import_expert(yours, bad, {}); }), HasSubstr("bad.safetensors")) << length;
    }
    std::string flipped = whole;
    flipped[whole.size() - 9] ^= 1;
    write_file(bad, flipped);
    EXPECT_THAT(error_of([&] { import_expert(yours, bad, {}); }), HasSubstr("is damaged"));
    const auto with = [&](const std::string& old, const std::string& other) {
        std::string text = whole;
        const size_t at = text.find(old);
        text.replace(at, old.size(), other);
        write_file(bad, text);
        return error_of([&] { import_expert(yours, bad, {}); });
    };
    EXPECT_THAT(with("\"expert\":\"1.3\"", "\"expert\":\"1,3\""), HasSubstr("expected LAYER.EXPERT"));
    EXPECT_THAT(with("one expert, layout 1", "one expert, layout 9"), HasSubstr("is not an expert written by gremium"));
    EXPECT_THAT(with("\"router\":", "\"raptor\":"), HasSubstr("no router"));
    EXPECT_THAT(with(mine.base().base, std::string(32, 'x')), HasSubstr("is not a hash"));
    EXPECT_THAT(error_of([&] { import_expert(yours, folder / "none", {}); }), HasSubstr("cannot open"));
    EXPECT_THAT(error_of([&] { import_expert(yours, base, {}); }), HasSubstr("base.gguf"));
    EXPECT_EQ(yours.history(yours.head().version).size(), 1u);
}

// A file of the store is changed; what opening HEAD and fsck say of it.
class Damaged : public testing::Test {
  protected:
    Damaged() { commit_edits(store, "edited", reset_two); }
    std::string opened() {
        return error_of([&] { head_of(VersionStore(folder / "store")); });
    }
    std::string found() {
        VersionStore again(folder / "store");
        const StoreCheck check = check_store(again);
        return check.problems.empty() ? "nothing" : check.problems.front();
    }
    fs::path object() const {
        return store.path_of(VersionStore::Kind::object, store.files(VersionStore::Kind::object)[0]);
    }
    fs::path version() const { return store.path_of(VersionStore::Kind::version, store.head().version); }
    // A manifest of the attacker's, under the name that it should have.
    void replace_head(const std::string& text) {
        const std::string hash = content_hash(std::as_bytes(std::span(text)));
        write_file(store.path_of(VersionStore::Kind::version, hash), text);
        write_file(folder / "store/branches/main", hash + "\n");
    }

    const Folder folder;
    VersionStore store = create_versions(folder / "store", write_model(folder / "base.gguf", "dots1"));
};

TEST_F(Damaged, ObjectsAreFound) {
    const std::string whole = read_file(object());
    std::string flipped = whole;
    flipped[flipped.size() - 100] ^= 1;
    const fs::path path = object();
    write_file(path, flipped);
    EXPECT_THAT(opened(), HasSubstr("is damaged: its hash is not its name"));
    EXPECT_THAT(found(), HasSubstr("is damaged"));
    write_file(path, whole.substr(0, 300));
    EXPECT_THAT(opened(), HasSubstr(path.filename().string()));
    EXPECT_THAT(found(), HasSubstr(path.filename().string()));
    write_file(path, "");
    EXPECT_THAT(opened(), HasSubstr(path.filename().string()));
    fs::remove(path);
    EXPECT_THAT(opened(), HasSubstr("is missing"));
    EXPECT_THAT(found(), HasSubstr("is missing"));
    // The same weights committed again heal it.
    write_file(path, flipped);
    check_out(store, "HEAD~");
    commit_edits(store, "once more", reset_two);
    EXPECT_TRUE(read_file(path) == whole);
    EXPECT_EQ(found(), "nothing");
}

TEST_F(Damaged, AnObjectOfOtherShapesIsRefused) {
    const float two[] = {1, 2};
    const Piece piece{.parts = {{"gate", as_tensor(two, {2})}}, .memory = {}};
    const VersionStore::Lock lock(store);
    store.put(lock, piece.hash(), piece);
    std::string text = read_file(version());
    const size_t at = text.find("weights ") + 8;
    text.replace(at, 32, piece.hash());
    replace_head(text);
    EXPECT_THAT(opened(), HasSubstr("has shape [2]"));
}

TEST_F(Damaged, VersionsAreFound) {
    const fs::path path = version();
    std::string text = read_file(path);
    write_file(path, text + "tensor ../../../etc/passwd " + std::string(32, '0') + "\n");
    EXPECT_THAT(opened(), HasSubstr("is damaged: its hash is not its name"));
    EXPECT_THAT(found(), HasSubstr("is damaged"));
    fs::remove(path);
    EXPECT_THAT(opened(), HasSubstr("there is no version"));
    EXPECT_THAT(found(), HasSubstr("there is no version"));
}

TEST_F(Damaged, HostileManifestsAreRefused) {
    const std::string text = read_file(version()), zeros(32, '0');
    const auto say = [&](const std::string& other) {
        replace_head(other);
        return opened();
    };
    const auto with = [&](const std::string& old, const std::string& other) {
        std::string changed = text;
        changed.replace(changed.find(old), old.size(), other);
        return say(changed);
    };
    EXPECT_THAT(say(text + "tensor ../../../etc/passwd " + zeros + "\n"),
                HasSubstr("no tensor \"../../../etc/passwd\""));
    EXPECT_THAT(say(text + "tensor output_norm.weight ../../../../../../etc/passwd\n"), HasSubstr("cannot be read"));
    EXPECT_THAT(say(text + "tensor output_norm.weight " + zeros + "\n"), HasSubstr("object " + zeros + " is missing"));
    EXPECT_THAT(say(text + "exec rm\n"), HasSubstr("line 8: cannot be read: \"exec rm\""));
    EXPECT_THAT(say(text + text.substr(text.rfind("expert"))), HasSubstr("as Gremium writes it"));
    EXPECT_THAT(say(""), HasSubstr("as Gremium writes it"));
    EXPECT_THAT(say("gremium version 2\n"), HasSubstr("expected \"gremium version 1\""));
    EXPECT_THAT(say(text.substr(0, text.size() - 1)), HasSubstr("as Gremium writes it"));
    EXPECT_THAT(with("expert 1.1", "expert 1.99"), HasSubstr("there is no expert 1.99"));
    EXPECT_THAT(with("expert 1.1", "expert 0.1"), HasSubstr("there is no expert 0.1"));
    EXPECT_THAT(with("expert 1.1", "expert -1.1"), HasSubstr("cannot be read"));
    EXPECT_THAT(with("expert 1.1", "expert 1.99999999999"), HasSubstr("cannot be read"));
    EXPECT_THAT(with(store.base().base, zeros), HasSubstr("another base model"));
    EXPECT_THAT(with("message edited", "message \x1b[2Jedited"), HasSubstr("cannot be read"));
    const std::string layer = "layer 1 experts 2000000000 used 2 width 8 router " + zeros + "\n";
    EXPECT_THAT(with("expert 1.1", layer + "expert 1.1"), HasSubstr("expert 1.6 is missing"));
}

// An expert of one version and rows of another, as a careless merge of manifests has it.
TEST_F(Damaged, ExpertsAndRoutersThatDoNotBelongTogetherAreRefused) {
    commit_edits(store, "rows", [](Draft& d) { d.layer(1).router_ED[2][0] += 1; });
    std::string text = read_file(version());
    const size_t at = text.find("expert 1.2");
    ASSERT_NE(at, std::string::npos);
    text.erase(at, text.find('\n', at) + 1 - at);
    replace_head(text);
    EXPECT_THAT(opened(), HasSubstr("experts and router of layer 1 do not belong together"));
    EXPECT_THAT(found(), HasSubstr("do not belong together"));
}

TEST_F(Damaged, NamesAreChecked) {
    const fs::path head = folder / "store/HEAD", main = folder / "store/branches/main";
    const std::string branch = read_file(main);
    for (const char* text : {"branch ../../main\n", "branch main", "branch \n", "", "version main\n", "x\ny\n"}) {
        write_file(head, text);
        EXPECT_THAT(opened(), HasSubstr("HEAD")) << text;
        EXPECT_NE(found(), "nothing") << text;
    }
    write_file(head, "branch main\n");
    write_file(main, "../../../etc/passwd\n");
    EXPECT_THAT(opened(), HasSubstr("is not a version"));
    EXPECT_THAT(found(), HasSubstr("is not a version"));
    write_file(main, branch);
    write_file(folder / "store/gremium-versions", "gremium expert versions, layout 7\n");
    EXPECT_THAT(opened(), HasSubstr("layout 7"));
    fs::remove(folder / "store/gremium-versions");
    EXPECT_THAT(opened(), HasSubstr("is not a store of versions"));
}

TEST_F(Damaged, AnotherBaseModelIsRefused) {
    write_model(folder / "base.gguf", "dots1", 2);
    EXPECT_THAT(opened(), HasSubstr("is not the base model"));
    EXPECT_THAT(found(), HasSubstr("is not the base model"));
    fs::remove(folder / "base.gguf");
    EXPECT_THAT(opened(), HasSubstr("its base model is not at"));
    write_model(folder / "moved.gguf", "dots1", 1);
    write_file(folder / "store/base.path", (folder / "moved.gguf").string() + "\n");
    EXPECT_EQ(found(), "nothing");
    EXPECT_EQ(opened(), "nothing was refused");
}

// NVFP4's factors lie beside the weights: an edit or a version would lose them.
TEST(Versions, WeightsWithFactorsAreRefused) {
    const auto model = test::tiny_model("mixtral");
    EXPECT_NO_THROW(state_of(*model));
    const OwnedTensor factor(DType::f32, {1});
    std::get<AttentionWeights>(model->weights.layers[1].mixer).k.scale = factor;
    EXPECT_THROW(state_of(*model), Error);
    EXPECT_THROW(Draft{model}, Error);
}

}  // namespace
}  // namespace gremium::versions
