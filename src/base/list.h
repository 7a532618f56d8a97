// An intrusive doubly linked list: membership costs two pointers inside the element and never allocates.
// Owns:     nothing; an element must be unlinked before it goes away. Bounds: O(1) for all but iteration. An element of type T
//           derives from ListNode<T, Tag>, one base per list that it can be on.
#pragma once

#include "base/check.h"

namespace rivulet {

template <class T, class Tag = void>
class ListNode {
public:
    ListNode() = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;
    bool linked() const { return next_ != nullptr; }

private:
    template <class, class>
    friend class List;
    ListNode* next_ = nullptr;
    ListNode* previous_ = nullptr;
};

template <class T, class Tag = void>
class List {
    using Node = ListNode<T, Tag>;

public:
    List() { head_.next_ = head_.previous_ = &head_; }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    bool empty() const { return head_.next_ == &head_; }
    T* front() { return empty() ? nullptr : element(head_.next_); }
    T* back() { return empty() ? nullptr : element(head_.previous_); }
    // The element after `current`, or nullptr at the end.
    T* next(T& current) {
        Node* n = static_cast<Node&>(current).next_;
        return n == &head_ ? nullptr : element(n);
    }
    // The one before `current`, or nullptr at the beginning.
    T* previous(T& current) {
        Node* n = static_cast<Node&>(current).previous_;
        return n == &head_ ? nullptr : element(n);
    }
    void push_back(T& e) { insert(e, head_.previous_); }
    void push_front(T& e) { insert(e, &head_); }
    void insert_before(T& position, T& e) { insert(e, static_cast<Node&>(position).previous_); }
    static void remove(T& e) {
        Node& n = e;
        RIVULET_CHECK(n.linked());
        n.previous_->next_ = n.next_;
        n.next_->previous_ = n.previous_;
        n.next_ = n.previous_ = nullptr;
    }
    T* pop_front() {
        T* e = front();
        if (e) remove(*e);
        return e;
    }

private:
    static T* element(Node* n) { return static_cast<T*>(n); }
    void insert(T& e, Node* after) {
        Node& n = e;
        RIVULET_CHECK(!n.linked());
        n.previous_ = after;
        n.next_ = after->next_;
        after->next_->previous_ = &n;
        after->next_ = &n;
    }
    Node head_;
};

}  // namespace rivulet
